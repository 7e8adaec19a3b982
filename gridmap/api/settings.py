"""Settings, all from the environment, with defaults that run the demo."""

from __future__ import annotations

from pathlib import Path

from pydantic import Field, SecretStr, ValidationError, field_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from gridmap.errors import Invalid
from gridmap.store.cluster import default_folder

SHORTEST_SECRET = 32
"""Characters. HS256 wants 256 bits, which 32 random bytes have."""


class Settings(BaseSettings):
    """Each field is set by the variable that its alias names."""

    model_config = SettingsConfigDict(frozen=True, populate_by_name=True)

    database_url: str | None = Field(None, alias="DATABASE_URL")
    """A PostGIS database that exists; without it, a private cluster is kept in `data`."""

    data: Path = Field(default_factory=default_folder, alias="GRIDMAP_DATA")
    """The folder of the private cluster, and of photos unless `photos` is another place."""

    photos: str | None = Field(None, alias="GRIDMAP_PHOTOS", pattern=r"^(file:///|s3://)[^/]")
    """Where photos are kept: file:///folder or s3://bucket/prefix."""

    @property
    def photos_address(self) -> str:
        """Where photos are kept; without a setting, a folder of `data`."""
        return self.photos or (self.data.absolute() / "photos").as_uri()

    secret: SecretStr | None = Field(None, alias="GRIDMAP_SECRET")
    """What signs tokens; without it, none are issued or taken."""

    host: str = Field("127.0.0.1", alias="HOST")
    port: int = Field(8000, alias="PORT", ge=0, le=65535)

    pool_size: int = Field(10, alias="GRIDMAP_POOL_SIZE", ge=1)
    """Connections to PostgreSQL that one process keeps."""

    statement_timeout_seconds: float = Field(10, alias="GRIDMAP_STATEMENT_TIMEOUT", gt=0)
    """How long one statement, or the wait for a connection, may take."""

    body_limit_bytes: int = Field(2_000_000, alias="GRIDMAP_BODY_LIMIT", ge=1)
    """Large enough for locateMany with 10 000 points in variables, about 1 MB."""

    tile_cache_bytes: int = Field(64_000_000, alias="GRIDMAP_TILE_CACHE", ge=0)
    """What one process keeps of tiles that it has made."""

    building_reach_metres: float = Field(30, alias="GRIDMAP_BUILDING_REACH", ge=0, le=1000)
    """How far from a point a building of its grid is still "the building here"."""

    @field_validator("secret", mode="before")
    @classmethod
    def _is_long_enough(cls, given: object) -> object:
        if isinstance(given, str) and len(given) < SHORTEST_SECRET:
            # Not a ValueError, which would be told with the secret itself.
            raise Invalid(
                f"The environment's GRIDMAP_SECRET has {len(given)} characters, and needs at least "
                f"{SHORTEST_SECRET}; make one with `openssl rand -hex 32`."
            )
        return given


def settings_from_environment() -> Settings:
    """Raises Invalid, naming the variable, where one cannot be understood."""
    try:
        return Settings()
    except ValidationError as error:
        first = error.errors()[0]
        raise Invalid(
            f"The environment's {first['loc'][0]} is {first['input']!r}: {first['msg']}."
        ) from error
