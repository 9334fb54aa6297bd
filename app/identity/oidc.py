"""Logging in by a provider of OpenID Connect: one issuer, the code flow with PKCE, state and nonce.

The provider says who somebody is; whether he has an account here is decided here, by the subject
that was bound to it. Nobody is made known by it. Source: OpenID Connect Core 1.0, RFC 7636,
RFC 9207; OWASP ASVS 5.0, V10.
"""

from __future__ import annotations

import hmac
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final, Literal, cast
from urllib.parse import urlsplit
from uuid import UUID

import requests
from authlib.common.errors import AuthlibBaseError
from authlib.integrations.requests_client import OAuth2Session
from authlib.oidc.core import CodeIDToken
from authlib.oidc.discovery import OpenIDProviderMetadata
from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import KeySet, KeySetSerialization
from joserfc.jws import JWSRegistry
from sqlalchemy import select
from sqlalchemy.orm import Session

from app.core.db import Database
from app.core.errors import Conflict, NotFound, Unauthenticated, Unavailable
from app.custody import ledger
from app.custody.ledger import Act, Outcome
from app.identity import queries, tokens
from app.identity.actor import Actor
from app.identity.models import ProviderSubject, TokenKind, User
from app.settings import Settings

Match = Literal["none", "email", "preferred_username"]
_ALGORITHMS: Final = ["RS256", "RS384", "RS512", "PS256", "ES256", "ES384", "EdDSA"]
_SECONDS: Final = 10
_LEEWAY_SECONDS: Final = 60
_LOOPBACK: Final = frozenset({"127.0.0.1", "localhost", "::1"})
_LOGIN: Final = Actor.system("login")


class ProviderAbsent(NotFound):
    """No log-in provider is configured."""


class ProviderAway(Unavailable):
    """The log-in provider does not answer as it should; log in with the password."""


class ProviderRefused(Unauthenticated):
    """The log-in provider did not say who you are, or not to this browser; begin again."""


class SubjectUnknown(Unauthenticated):
    """The log-in provider knows you, but there is no account for you here."""


class SubjectTaken(Conflict):
    """The subject is bound to somebody else."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Provider:
    """The one issuer that is believed, and how this archive is known to it."""

    issuer: str
    client_id: str
    client_secret: str = field(repr=False)
    callback: str
    match: Match = "none"


def provider_of(settings: Settings) -> Provider:
    """Return the log-in provider that is configured.

    Raises:
        ProviderAbsent: there is none.
    """
    if settings.oidc_issuer is None or settings.oidc_client_secret is None:
        raise ProviderAbsent
    return Provider(
        issuer=settings.oidc_issuer,
        client_id=settings.oidc_client_id or "",
        client_secret=settings.oidc_client_secret.get_secret_value(),
        callback=f"{settings.base_url}/login/provider/back",
        match=settings.oidc_match,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Begun:
    """Where to send a browser, and what it must bring back."""

    url: str
    state: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Known:
    """Whom the provider has named: an account here, and where he wanted to go.

    `proves` is the log-in here that asked whether it is still he.
    """

    user_id: UUID
    has_second: bool
    onward: str
    proves: UUID | None = None


def begin(
    database: Database,
    provider: Provider,
    onward: str,
    *,
    proves: UUID | None = None,
    at: datetime,
) -> Begun:
    """Return where to send a browser.

    With `proves`, a log-in here, the provider is told to ask anew who somebody is, and must say
    when it did. Source: OpenID Connect Core 1.0, 3.1.2.1, `prompt` and `max_age`.

    Raises:
        ProviderAway: what the provider says of itself cannot be had.
    """
    metadata = _metadata(provider)
    nonce, verifier = secrets.token_urlsafe(32), secrets.token_urlsafe(64)
    facts: dict[str, str | int] = {"nonce": nonce, "verifier": verifier, "onward": onward}
    if proves is not None:
        facts |= {"proves": str(proves), "asked_at": int(at.timestamp())}
    with database.transaction() as session:
        state = tokens.mint(session, TokenKind.OIDC, facts=facts, at=at)
    client = _client(provider)
    anew = {} if proves is None else {"prompt": "login", "max_age": "0"}
    url, _ = client.create_authorization_url(
        metadata["authorization_endpoint"],
        state=state,
        nonce=nonce,
        code_verifier=verifier,
        **anew,
    )
    return Begun(url=url, state=state)


def finish(
    database: Database, provider: Provider, told: Mapping[str, str], kept: str, *, at: datetime
) -> Known:
    """Return the account of whom the provider names in `told`, to the browser that kept a state.

    Raises:
        ProviderAway: it does not answer.
        ProviderRefused: it said no, or what came back is not an answer to what was asked.
        SubjectUnknown: nobody here is bound to him, and the setting binds nobody.
    """
    state = told.get("state", "")
    if not kept or not hmac.compare_digest(kept.encode(), state.encode()):
        raise ProviderRefused
    with database.transaction() as session:
        asked = tokens.use(session, TokenKind.OIDC, state, at=at)
    if asked is None or told.get("iss", provider.issuer) != provider.issuer:
        raise ProviderRefused
    code = told.get("code")
    if not code:
        raise ProviderRefused
    claims = _claims(provider, code, asked.facts, at=at)
    if "proves" in asked.facts and not was_asked_since(claims, int(asked.facts["asked_at"])):
        raise ProviderRefused
    with database.transaction() as session:
        user = _account(session, provider, claims, at=at)
        if user is None:
            ledger.append(
                session,
                _LOGIN,
                Act.LOGIN_FAILED,
                ("token", asked.id),
                at=at,
                outcome=Outcome.DENIED,
                facts={"step": "provider"},
            )
    if user is None:
        raise SubjectUnknown
    return Known(
        user_id=user.id,
        has_second=has_second(claims),
        onward=str(asked.facts["onward"]),
        proves=UUID(str(asked.facts["proves"])) if "proves" in asked.facts else None,
    )


def bind(
    session: Session, actor: Actor, provider: Provider, user: User, subject: str, *, at: datetime
) -> None:
    """Let whom the provider calls `subject` be `user` here, and nobody else.

    Raises:
        SubjectTaken: it is bound to somebody else.
    """
    found = session.get(ProviderSubject, (provider.issuer, subject))
    if found is not None:
        if found.user_id != user.id:
            raise SubjectTaken
        return
    session.add(
        ProviderSubject(issuer=provider.issuer, subject=subject, user_id=user.id, bound_at=at)
    )
    session.flush()
    facts = {"change": "subject.bound"}
    ledger.append(session, actor, Act.CONFIG_CHANGED, ("user", user.id), at=at, facts=facts)


def _account(
    session: Session, provider: Provider, claims: Mapping[str, Any], *, at: datetime
) -> User | None:
    """Return who may come in: who is bound, else at first use who the setting says it is."""
    subject = str(claims["sub"])
    user = session.scalar(
        select(User)
        .join(ProviderSubject, ProviderSubject.user_id == User.id)
        .where(ProviderSubject.issuer == provider.issuer, ProviderSubject.subject == subject)
    )
    if user is not None:
        return None if user.disabled_at else user
    name = _named(provider, claims)
    user = queries.user_by_name(session, name) if name else None
    if user is None or user.disabled_at is not None or _is_bound(session, provider, user):
        return None
    bind(session, _LOGIN, provider, user, subject, at=at)
    return user


def _named(provider: Provider, claims: Mapping[str, Any]) -> str | None:
    """Return the name of an account that the claims may be bound to; an address if verified."""
    if provider.match == "email":
        return str(claims["email"]) if claims.get("email_verified") is True else None
    if provider.match == "preferred_username":
        return str(claims["preferred_username"]) if claims.get("preferred_username") else None
    return None


def _is_bound(session: Session, provider: Provider, user: User) -> bool:
    """Say whether somebody else at the provider is this person already."""
    found = select(ProviderSubject.subject).where(
        ProviderSubject.issuer == provider.issuer, ProviderSubject.user_id == user.id
    )
    return session.scalar(found.limit(1)) is not None


def _client(provider: Provider) -> OAuth2Session:
    return OAuth2Session(
        provider.client_id,
        provider.client_secret,
        scope="openid profile email",
        redirect_uri=provider.callback,
        code_challenge_method="S256",
    )


def _claims(
    provider: Provider, code: str, asked: Mapping[str, Any], *, at: datetime
) -> Mapping[str, Any]:
    """Exchange the code, and return what the signed token says of somebody."""
    metadata = _metadata(provider)
    try:
        given = _client(provider).fetch_token(
            metadata["token_endpoint"],
            grant_type="authorization_code",
            code=code,
            code_verifier=asked["verifier"],
            timeout=_SECONDS,
            allow_redirects=False,
        )
        keys = KeySet.import_key_set(cast("KeySetSerialization", _json(metadata["jwks_uri"])))
        registry = JWSRegistry(algorithms=_ALGORITHMS)
        token = jwt.decode(given["id_token"], key=keys, registry=registry)
        claims = CodeIDToken(
            token.claims,
            token.header,
            {
                "iss": {"essential": True, "value": provider.issuer},
                "aud": {"essential": True, "value": provider.client_id},
            },
            {
                "nonce": asked["nonce"],
                "client_id": provider.client_id,
                "access_token": given.get("access_token"),
            },
        )
        claims.validate(now=int(at.timestamp()), leeway=_LEEWAY_SECONDS)
        said: dict[str, Any] = dict(claims)
        return joined(said, _user_info(metadata, given, subject=str(claims["sub"])))
    except requests.RequestException as exc:
        raise ProviderAway from exc
    except (AuthlibBaseError, JoseError, KeyError, ValueError) as exc:
        raise ProviderRefused from exc


def has_second(claims: Mapping[str, Any]) -> bool:
    """Say whether the provider asked for more than one factor; it is `mfa` in a list that says so.

    One method alone, be it a code or a key, may have been the only one. Source: RFC 8176, 2.
    """
    methods = claims.get("amr")
    return isinstance(methods, list) and "mfa" in methods


def was_asked_since(claims: Mapping[str, Any], moment: int) -> bool:
    """Say whether the provider asked who it is after a moment; one that does not say, did not."""
    asked = claims.get("auth_time")
    return isinstance(asked, int) and asked >= moment - _LEEWAY_SECONDS


def is_known_to(session: Session, provider: Provider, user: User) -> bool:
    """Say whether somebody at the provider is bound to a person here."""
    return _is_bound(session, provider, user)


def joined(token: Mapping[str, Any], told: Mapping[str, Any]) -> dict[str, Any]:
    """Return what is said in the token and beside it; an address and its check from one place."""
    pair = ("email", "email_verified")
    if "email" in told:
        return {name: token[name] for name in token if name not in pair} | dict(told)
    return dict(token) | {name: told[name] for name in told if name not in pair}


def _user_info(
    metadata: Mapping[str, Any], given: Mapping[str, Any], *, subject: str
) -> dict[str, Any]:
    """Return what the provider tells beside the token, if it is of the same person."""
    endpoint = metadata.get("userinfo_endpoint")
    if not endpoint or not given.get("access_token"):
        return {}
    told = _json(endpoint, token=str(given["access_token"]))
    names = ("email", "email_verified", "preferred_username")
    return (
        {name: told[name] for name in names if name in told} if told.get("sub") == subject else {}
    )


def _metadata(provider: Provider) -> dict[str, Any]:
    """Return what the issuer says of itself; every address in it must be as safe as its own."""
    base = provider.issuer.rstrip("/")
    told = dict(OpenIDProviderMetadata(_json(f"{base}/.well-known/openid-configuration")))
    if told.get("issuer") != provider.issuer:
        raise ProviderAway("It calls itself otherwise than the setting does.")
    must = ("authorization_endpoint", "token_endpoint", "jwks_uri")
    for name in (*must, *(["userinfo_endpoint"] if told.get("userinfo_endpoint") else [])):
        if not is_safe(str(told.get(name, ""))):
            raise ProviderAway("One of its addresses is not reached by https.", field=name)
    return told


def is_safe(url: str) -> bool:
    """Say whether an address is https, or of this machine itself."""
    parts = urlsplit(url)
    return parts.scheme == "https" or (parts.scheme == "http" and parts.hostname in _LOOPBACK)


def _json(url: str, *, token: str | None = None) -> dict[str, Any]:
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    try:
        answer = requests.get(url, headers=headers, timeout=_SECONDS, allow_redirects=False)
        answer.raise_for_status()
        found = answer.json()
    except (requests.RequestException, ValueError) as exc:
        raise ProviderAway from exc
    if not isinstance(found, dict) or answer.status_code != requests.codes.ok:
        raise ProviderAway
    return found
