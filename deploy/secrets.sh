#!/bin/sh
# Makes each secret that is not there yet, 64 hexadecimal digits a file, in deploy/secrets/ or the folder that is named.
set -eu
folder="${1:-$(dirname "$0")/secrets}"
umask 077
mkdir -p "$folder"
chmod 700 "$folder"
for name in postgres-password optuna-password mlflow-password mlflow-admin-password mlflow-session-key ray-token; do
    file="$folder/$name"
    if [ -s "$file" ]; then
        echo "kept $file"
        continue
    fi
    od -An -N32 -tx1 /dev/urandom | tr -d ' \n' >"$file.new"
    # The folder keeps others out. In a container a secret is a file of this machine's user, whose number the
    # container's user need not have: so the file itself is readable.
    chmod 644 "$file.new"
    mv "$file.new" "$file"
    echo "made $file"
done
