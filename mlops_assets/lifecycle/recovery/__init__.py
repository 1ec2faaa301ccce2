"""Recovery: rescore after a rollback, reproduce a version, check that a rollback works, repair the MLflow mirror."""
