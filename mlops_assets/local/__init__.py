"""Runs the platform on one machine: an embedded PostgreSQL, and the processes of `mlops up`.

Comes in: `Settings`. Goes out: addresses (`Stores`), the environment every child process gets, and running services
that are watched, restarted and stopped. Does not belong here: what the services do (`serving`, `defs`), what a command
prints (`cli`), how servers run in production (`deploy/`). Import the module you need; importing the package is free.

    locks              one process at a time, or many readers, by flock; a lock ends with its process
    logs               log files that stay small
    data_folder        the files and programs of the embedded PostgreSQL
    cluster            the embedded PostgreSQL: start it, join it, leave it
    database_watchdog  the small process above PostgreSQL that stops it after its last user (program)
    databases          what a server contains: databases, and the versions they were migrated to
    postgres           start and prepare: the two calls that other packages make
    environment        DAGSTER_HOME and the variables of every child process
    ports              free ports
    sockets            folders that are short enough for unix sockets
    services           what `mlops up` starts, and how it knows that each one is ready
    processes          start and stop a service with all its descendants
    supervisor         keep services running
    runs               fail the runs whose worker is gone
    orphan_reaper      the small process that cleans up when `mlops up` is killed (program)
    up                 `mlops up` itself
"""
