"""Settings, all from the environment, with defaults that run the demo."""

from __future__ import annotations

import re
from ipaddress import ip_network
from pathlib import Path

from pydantic import Field, SecretStr, ValidationError, field_validator, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from gridmap.api.logs import LogFormat
from gridmap.api.oidc import Claims, Issuer, check_address
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

    oidc_issuer: str | None = Field(None, alias="GRIDMAP_OIDC_ISSUER")
    """Who issues the tokens of people; without it, they sign in here."""

    oidc_audience: str | None = Field(None, alias="GRIDMAP_OIDC_AUDIENCE")
    """What the issuer calls this server."""

    oidc_role_claim: str = Field("role", alias="GRIDMAP_OIDC_ROLE_CLAIM", min_length=1)
    oidc_codes_claim: str = Field("codes", alias="GRIDMAP_OIDC_CODES_CLAIM", min_length=1)
    oidc_subject_claim: str = Field("sub", alias="GRIDMAP_OIDC_SUBJECT_CLAIM", min_length=1)

    host: str = Field("127.0.0.1", alias="HOST")
    port: int = Field(8000, alias="PORT", ge=0, le=65535)

    trusted_proxies: str | None = Field(None, alias="GRIDMAP_TRUSTED_PROXIES")
    """Addresses and networks whose X-Forwarded-For and X-Forwarded-Proto are believed."""

    cors_origins: str | None = Field(None, alias="GRIDMAP_CORS_ORIGINS")
    """Other sites whose pages may ask here, with blanks or commas between."""

    introspection: bool = Field(True, alias="GRIDMAP_INTROSPECTION")
    """Whether the schema tells of itself."""

    requests_per_minute: int = Field(3000, alias="GRIDMAP_REQUESTS_PER_MINUTE", ge=0)
    reports_per_minute: int = Field(20, alias="GRIDMAP_REPORTS_PER_MINUTE", ge=0)
    photos_per_minute: int = Field(60, alias="GRIDMAP_PHOTOS_PER_MINUTE", ge=0)
    """Of one person, or of one address where they did not sign in; 0: not counted."""

    log_format: LogFormat = Field(LogFormat.TEXT, alias="GRIDMAP_LOG_FORMAT")

    pool_size: int = Field(10, alias="GRIDMAP_POOL_SIZE", ge=1)
    """Connections to PostgreSQL that one process keeps."""

    statement_timeout_seconds: float = Field(10, alias="GRIDMAP_STATEMENT_TIMEOUT", gt=0)
    """How long one statement, or the wait for a connection, may take."""

    body_limit_bytes: int = Field(2_000_000, alias="GRIDMAP_BODY_LIMIT", ge=1)
    """Large enough for locateMany with 10 000 points in variables, about 1 MB."""

    tile_cache_bytes: int = Field(64_000_000, alias="GRIDMAP_TILE_CACHE", ge=0)
    """What one process keeps of tiles that it has made."""

    basemap: str | None = Field(None, alias="GRIDMAP_BASEMAP")
    """What the planners' map shows below its layers: addresses of tiles with {z}, {x} and {y}, of a
    TileJSON or of a MapLibre style, the lowest first, with blanks between."""

    basemap_attribution: str | None = Field(None, alias="GRIDMAP_BASEMAP_ATTRIBUTION")
    """Whom the map names for it; without it, whom the TileJSON or style names."""

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

    @property
    def basemap_addresses(self) -> list[str]:
        return (self.basemap or "").split()

    @field_validator("basemap")
    @classmethod
    def _are_of_known_hosts(cls, given: str | None) -> str | None:
        for each in (given or "").split():
            # The page's policy names the host; one with {s} in it would be another each time.
            if not re.fullmatch(r"https?://[\w.-]+(:\d+)?/[^\s;,\"']*", each):
                raise ValueError(f"{each} is no address of a map, as in https://map.example/a.json")
        return given

    @property
    def origins(self) -> list[str]:
        return (self.cors_origins or "").replace(",", " ").split()

    @field_validator("trusted_proxies")
    @classmethod
    def _are_addresses(cls, given: str | None) -> str | None:
        for each in filter(None, map(str.strip, (given or "").split(","))):
            ip_network(each, strict=False)
        return given

    @field_validator("cors_origins")
    @classmethod
    def _are_origins(cls, given: str | None) -> str | None:
        for each in (given or "").replace(",", " ").split():
            if not re.fullmatch(r"https?://[^/?#@\s]+", each):
                raise ValueError(f"{each} is no origin, as in https://map.example")
        return given

    @model_validator(mode="after")
    def _is_an_issuer_for_somebody(self) -> Settings:
        if self.oidc_issuer is not None:
            check_address(self.oidc_issuer)
            if not self.oidc_audience:
                raise Invalid(
                    "GRIDMAP_OIDC_ISSUER is set and GRIDMAP_OIDC_AUDIENCE is not: say what the "
                    "issuer calls this server, or it would take tokens that are for others."
                )
        return self

    def issuer(self) -> Issuer | None:
        """Who issues the tokens of people, if it is not this server."""
        if self.oidc_issuer is None or self.oidc_audience is None:
            return None
        claims = Claims(self.oidc_role_claim, self.oidc_codes_claim, self.oidc_subject_claim)
        return Issuer(self.oidc_issuer, self.oidc_audience, claims)


def settings_from_environment() -> Settings:
    """Raises Invalid, naming the variable, where one cannot be understood."""
    try:
        return Settings()
    except ValidationError as error:
        first = error.errors()[0]
        raise Invalid(
            f"The environment's {first['loc'][0]} is {first['input']!r}: {first['msg']}."
        ) from error
