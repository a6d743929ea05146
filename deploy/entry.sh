#!/bin/sh
# The image's entry point: puts what NAME_FILE names into NAME, where libpq and MLflow read it, then becomes the
# command. So no secret stands in a file of the image, in an address, or in what `docker inspect` shows.
set -eu
for name in PGPASSWORD MLFLOW_TRACKING_PASSWORD MLFLOW_AUTH_ADMIN_PASSWORD MLFLOW_FLASK_SERVER_SECRET_KEY; do
    eval "file=\${${name}_FILE:-}"
    [ -n "$file" ] || continue
    secret="$(cat "$file")"
    if [ -z "$secret" ]; then
        echo "error: $file, which ${name}_FILE names, is empty: run deploy/secrets.sh" >&2
        exit 2
    fi
    export "$name=$secret"
done
exec "$@"
