-- MLflow's runs and models, and the people who may log in. The tables are MLflow's to make.
CREATE DATABASE mlflow OWNER "onet-gwa";
CREATE DATABASE mlflow_auth OWNER "onet-gwa";
