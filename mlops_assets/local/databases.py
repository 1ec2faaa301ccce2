"""What a PostgreSQL server holds: which of our databases exist, and to which versions they were migrated.

Comes in: a server's address. Goes out: databases that exist, and their marks. The mark is the comment of the database
itself, so it travels with what it describes: a database that was dropped, restored or replaced has lost it too.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from mlops_assets.errors import ServiceError
from mlops_assets.settings import database_on, without_driver

__all__ = [
    "Connection",
    "accepts_connections",
    "alone",
    "connect",
    "create",
    "drop",
    "holds",
    "maintenance",
    "mark",
    "marks",
    "may_create",
    "named",
    "recreate",
    "shown",
]

if TYPE_CHECKING:
    from psycopg2.extensions import connection as Connection  # noqa: N812

LOCK = 0x6D6C6F70737570  # 'mlopsup': one process at a time creates and migrates databases


def shown(url: str) -> str:
    """Return a URL without its password.

    Args:
        url: URL to read.

    Returns:
        The URL; everything else unchanged.
    """
    parts = urlsplit(url)
    user, at, host = parts.netloc.rpartition("@")
    query = f"?{parts.query}" if parts.query else ""
    return f"{parts.scheme}://{user.partition(':')[0]}{at}{host}{parts.path}{query}"


def connect(url: str) -> Connection:
    """Open a connection that commits each statement.

    Args:
        url: PostgreSQL URL, with or without driver.

    Returns:
        The connection; the caller closes it.

    Raises:
        psycopg2.OperationalError: No server responds.
    """
    import psycopg2

    connection = psycopg2.connect(without_driver(url), connect_timeout=10, application_name="mlops_local")
    connection.autocommit = True
    return connection


def accepts_connections(server_url: str) -> bool:
    """Return whether the server accepts connections now.

    Args:
        server_url: PostgreSQL URL of the server.

    Returns:
        False when the connection is refused or fails.
    """
    import psycopg2

    try:
        connect(database_on(server_url, "postgres")).close()
    except psycopg2.OperationalError:
        return False
    return True


@contextmanager
def maintenance(server_url: str) -> Iterator[Connection]:
    """Open a connection to a database that exists: the one in the address, `postgres`, or the ledger.

    Args:
        server_url: PostgreSQL URL of the server.

    Yields:
        The connection.

    Raises:
        ServiceError: The server cannot be reached or refuses us.
    """
    import psycopg2

    named = urlsplit(server_url).path.strip("/")
    connection, problem = None, ""
    for name in dict.fromkeys(filter(None, (named, "postgres", "mlops_ledger"))):
        try:
            connection = connect(database_on(server_url, name))
            break
        except (psycopg2.OperationalError, psycopg2.ProgrammingError) as error:
            problem = problem or _first_line(error)
    if connection is None:
        raise ServiceError(
            f"the PostgreSQL server at {shown(server_url)} cannot be used: {problem}. Check MLOPS_DATABASE_URL "
            "(postgresql://user:password@host:5432), or unset it to use the embedded server"
        )
    try:
        yield connection
    finally:
        connection.close()


def holds(url: str, question: str, values: Sequence[object]) -> bool | None:
    """Return the result of a yes-or-no query on tables that are not ours.

    Args:
        url: The database.
        question: A query that returns one boolean.
        values: The query's parameters.

    Returns:
        The boolean; None when the tables are not as expected.

    Raises:
        ServiceError: The database does not respond.
    """
    import psycopg2

    try:
        connection = connect(url)
    except psycopg2.OperationalError as error:
        raise ServiceError(f"the database {shown(url)} does not respond: {_first_line(error)}") from error
    try:
        with connection.cursor() as cursor:
            cursor.execute(question, values)
            row = cursor.fetchone()
            return bool(row and row[0])
    except psycopg2.ProgrammingError:
        return None
    finally:
        connection.close()


def marks(connection: Connection, names: Iterable[str]) -> dict[str, str | None]:
    """Return those of the databases that exist, each with its mark.

    Args:
        connection: An open psycopg2 connection with autocommit.
        names: Names of databases.

    Returns:
        Mark (PostgreSQL comment) by database; None for a database without a mark.
    """
    with connection.cursor() as cursor:
        cursor.execute(
            "select datname, shobj_description(oid, 'pg_database') from pg_database where datname = any(%s)",
            (list(names),),
        )
        return dict(cursor.fetchall())


def mark(connection: Connection, name: str, text: str) -> bool:
    """Write a database's mark.

    Args:
        connection: An open psycopg2 connection with autocommit.
        name: Name of the database.
        text: The mark.

    Returns:
        False when the database belongs to another user and cannot be marked.
    """
    import psycopg2.errors

    with connection.cursor() as cursor:
        try:
            cursor.execute(f'comment on database "{name}" is %s', (text,))
        except psycopg2.errors.InsufficientPrivilege:
            return False
    return True


def named(connection: Connection, prefix: str) -> tuple[str, ...]:
    """Return the databases whose name begins with a prefix.

    Args:
        connection: An open psycopg2 connection with autocommit.
        prefix: Beginning of the names.

    Returns:
        Names in alphabetical order.
    """
    with connection.cursor() as cursor:
        cursor.execute(
            "select datname from pg_database where starts_with(datname, %s) order by datname", (prefix,)
        )
        return tuple(str(name) for (name,) in cursor.fetchall())


def may_create(connection: Connection) -> bool:
    """Return whether the user of a connection may create databases.

    Args:
        connection: An open psycopg2 connection with autocommit.

    Returns:
        True for a superuser too.
    """
    with connection.cursor() as cursor:
        cursor.execute("select rolcreatedb or rolsuper from pg_roles where rolname = current_user")
        row = cursor.fetchone()
    return bool(row and row[0])


def drop(connection: Connection, names: Iterable[str]) -> None:
    """Drop databases with everything in them.

    Args:
        connection: An open psycopg2 connection with autocommit.
        names: Names of databases.
    """
    for name in names:
        with connection.cursor() as cursor:
            cursor.execute(f'drop database if exists "{name}" with (force)')


def create(connection: Connection, names: Iterable[str], template: str = "template0") -> None:
    """Create the databases; existing ones stay.

    Args:
        connection: An open psycopg2 connection with autocommit.
        names: Names of databases.
        template: The database that they begin as a copy of.

    Raises:
        ServiceError: When creating is not allowed; the message contains the statements that an administrator
            has to run.
    """
    import psycopg2.errors

    names = list(names)
    for name in names:
        with connection.cursor() as cursor:
            try:
                cursor.execute(f'create database "{name}" encoding \'UTF8\' template "{template}"')
            except psycopg2.errors.DuplicateDatabase:
                continue
            except psycopg2.errors.InsufficientPrivilege as error:
                user = connection.info.user
                statements = " ".join(f"create database {each} owner {user};" for each in names)
                raise ServiceError(
                    f"the user '{user}' may not create databases on this server. Ask its administrator to run: "
                    f"{statements}"
                ) from error


def recreate(connection: Connection, name: str) -> None:
    """Drop and create a database that was never usable.

    Args:
        connection: An open psycopg2 connection with autocommit.
        name: Name of the database; its content is lost.
    """
    drop(connection, [name])
    create(connection, [name])


@contextmanager
def alone(connection: Connection) -> Iterator[None]:
    """Take a lock for one process at a time, over all machines that use this server.

    Args:
        connection: An open psycopg2 connection with autocommit.

    Yields:
        Nothing.
    """
    with connection.cursor() as cursor:
        cursor.execute("select pg_advisory_lock(%s)", (LOCK,))
        try:
            yield
        finally:
            cursor.execute("select pg_advisory_unlock(%s)", (LOCK,))


def _first_line(error: Exception) -> str:
    return next(iter(str(error).strip().splitlines()), type(error).__name__)
