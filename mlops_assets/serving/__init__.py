"""The prediction API: readings in over HTTP, the champion's predictions out, with the version that made them.

Comes in: requests with a key, and the ledger's champions. Goes out: predictions, or one sentence that names row, column
and reason. It needs the ledger and the bundles, neither Dagster nor MLflow; features come from the code that training
used. Which model is champion is decided elsewhere; this package only follows.

    champions   follow the ledger: load, verify, swap; every model and every tick by itself
    targets     production or staging: what a process follows
    rollouts    follow the roll-outs: load both versions, count, store shadow predictions, move on
    split       one roll-out: each request served by one version
    cached_ledger  what the ledger said last, while it does not respond
    served      one champion, ready: request rows in, predictions out
    direct      a few rows to predictions without a data frame
    fallback    other predictions where an input or the champion fails
    step_downs  alerts about them
    history     recent readings for lags and windows, kept as new as the stored data
    entities    the newest stored reading of an entity that a request names by its key
    parity      features of the API compared with those of the batch
    protocols   request and response formats: records, MLflow's scoring protocol, Open Inference Protocol
    payload     a request's body: JSON in, records out
    table       records to a typed frame, every value checked
    streams     messages of a Kafka topic in, predictions out
    prediction_log  predictions to the ledger, off the request's path
    labels      the truth about predictions, posted later
    metrics     what Prometheus reads
    keys        who may do what
    guard       key before body, limits of size and time
    connections limits of connections and of idle time
    garbage_collector  Python's collector, set for a server
    routes      the routes that predict
    app         the other routes: models, health, documentation
    openapi     the description of the prediction routes, with each champion's columns
    pages       the documentation page, without scripts
"""
