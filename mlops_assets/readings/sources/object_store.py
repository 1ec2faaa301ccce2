"""Files in an object store (s3://): names and contents. Formats are `files`' business."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from mlops_assets.errors import MissingExtraError, SourceError


def is_remote(path: str) -> bool:
    """Return whether a path lies in an object store.

    Args:
        path: Path or URL.

    Returns:
        True for `s3://`.
    """
    return path.startswith("s3://")


def contents(
    path: str, endings: tuple[str, ...], environ: Mapping[str, str], who: str
) -> Iterator[tuple[str, bytes]]:
    """Yield name and bytes of every object that a path names: one key, a prefix that ends in '/', or a pattern.

    Credentials and endpoint come from AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY, AWS_SESSION_TOKEN, AWS_REGION and
    AWS_ENDPOINT_URL, or else from where the AWS client looks by itself.

    Args:
        path: An s3:// path.
        endings: Endings of the files that a prefix stands for.
        environ: The environment variables.
        who: Start of error messages.

    Yields:
        Name and content, in the order of names.

    Raises:
        SourceError: Nothing matches, or the store refuses access.
        MissingExtraError: s3fs is not installed.
    """
    try:
        from s3fs import S3FileSystem
    except ImportError:
        raise MissingExtraError("reading from s3://", "s3") from None
    store = S3FileSystem(
        key=environ.get("AWS_ACCESS_KEY_ID"),
        secret=environ.get("AWS_SECRET_ACCESS_KEY"),
        token=environ.get("AWS_SESSION_TOKEN"),
        endpoint_url=environ.get("AWS_ENDPOINT_URL"),
        client_kwargs={"region_name": region} if (region := environ.get("AWS_REGION")) else {},
        skip_instance_cache=True,
        use_listings_cache=False,
    )
    try:
        if path.endswith("/"):
            keys = [
                key
                for key in store.find(path, maxdepth=1)
                if key.lower().removesuffix(".gz").rsplit(".", 1)[-1] in endings
            ]
        elif any(sign in path for sign in "*?["):
            keys = store.glob(path)
        else:
            keys = [path.removeprefix("s3://")]
        if not keys:
            raise SourceError(f"{who}no object matches {path}")
        for key in sorted(map(str, keys)):
            yield f"s3://{key}", store.cat_file(key)
    except FileNotFoundError:
        raise SourceError(f"{who}{path} does not exist") from None
    except PermissionError as error:
        raise SourceError(
            f"{who}{path}: the store refuses access ({error}); check AWS_ACCESS_KEY_ID and its rights"
        ) from None
    except OSError as error:
        raise SourceError(f"{who}{path}: {error}") from None
