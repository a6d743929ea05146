-- Run once by the postgres image on an empty volume: two roles, and a database for each thing that migrates by itself.
-- Optuna's and MLflow's tables must not share a database, nor MLflow's and those of its users.
\set ON_ERROR_STOP on
\set optuna_password `cat /run/secrets/optuna-password`
\set mlflow_password `cat /run/secrets/mlflow-password`

CREATE ROLE optuna LOGIN PASSWORD :'optuna_password';
CREATE ROLE mlflow LOGIN PASSWORD :'mlflow_password';

CREATE DATABASE optuna OWNER optuna;
CREATE DATABASE mlflow OWNER mlflow;
CREATE DATABASE mlflow_users OWNER mlflow;

REVOKE ALL ON DATABASE optuna, mlflow, mlflow_users FROM PUBLIC;
