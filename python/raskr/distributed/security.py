"""`Security`: whose certificates a cluster takes, and whether its connections must be encrypted."""

import os
import secrets
import ssl
from typing import Any

from raskr import config
from raskr.distributed.objects import table

__all__ = ["Security"]

_ROLES = ("client", "scheduler", "worker")
#: Names of the constructor, and of the settings that stand for them.
_FIELDS = {
    "require_encryption": "distributed.comm.require-encryption",
    "tls_ca_file": "distributed.comm.tls.ca-file",
    "tls_ciphers": "distributed.comm.tls.ciphers",
    "tls_min_version": "distributed.comm.tls.min-version",
    "tls_max_version": "distributed.comm.tls.max-version",
    "tls_client_cert": "distributed.comm.tls.client.cert",
    "tls_client_key": "distributed.comm.tls.client.key",
    "tls_scheduler_cert": "distributed.comm.tls.scheduler.cert",
    "tls_scheduler_key": "distributed.comm.tls.scheduler.key",
    "tls_worker_cert": "distributed.comm.tls.worker.cert",
    "tls_worker_key": "distributed.comm.tls.worker.key",
}
_VERSIONS = {1.2: ssl.TLSVersion.TLSv1_2, 1.3: ssl.TLSVersion.TLSv1_3, None: None}


class Security:
    """Who may join a cluster, and how its connections are encrypted.

    Nothing has to be said for a cluster to be safe: everybody who joins proves that they have its token, and beyond this
    machine connections are encrypted with certificates of the cluster's own. This is for certificates of yours, and for
    encryption where it would not be used.

    Parameters
    ----------
    require_encryption : bool, optional
        Encrypt on this machine too. By default when certificates are given; the setting `distributed.comm.require-encryption`.
    tls_ca_file : path, optional
        Certificates of the authority that all certificates are to be signed by, in PEM.
    tls_client_cert, tls_client_key : path, optional
        The certificate of clients and its key, in PEM; the key may be in the certificate's file.
    tls_scheduler_cert, tls_scheduler_key : path, optional
        Those of the scheduler.
    tls_worker_cert, tls_worker_key : path, optional
        Those of workers.
    tls_min_version, tls_max_version : optional
        Connections are always TLS 1.3; a maximum below it is an error.
    tls_ciphers : str, optional
        Always those of TLS 1.3: anything else is an error.
    extra_conn_args : mapping, optional
        Kept, and of no effect.
    token : str, optional
        The cluster's secret, 64 hexadecimal digits, where it is to be known before the cluster.

    Examples
    --------
    >>> from raskr.distributed import Security
    >>> Security(tls_ca_file="ca.pem", tls_client_cert="cert.pem", require_encryption=True)
    Security(require_encryption=True, tls_ca_file='ca.pem', tls_client_cert='cert.pem')
    """

    __slots__ = (*_FIELDS, "extra_conn_args", "token")

    def __init__(
        self,
        require_encryption: bool | None = None,
        *,
        extra_conn_args: dict | None = None,
        token: str | None = None,
        **fields: Any,
    ) -> None:
        unknown = sorted(set(fields) - set(_FIELDS))
        if unknown:
            raise TypeError(f"Unknown keyword arguments: {unknown}; expected {', '.join(_FIELDS)}")
        for name, setting in _FIELDS.items():
            given = require_encryption if name == "require_encryption" else fields.get(name)
            value = config.get(setting, None) if given is None else given
            if name.endswith(("_cert", "_key", "_file")) and value is not None:
                value = os.fspath(value)
            setattr(self, name, value)
        if self.require_encryption is None:
            self.require_encryption = self.tls_ca_file is not None
        for name in ("tls_min_version", "tls_max_version"):
            setattr(self, name, _version(name, getattr(self, name)))
        if self.tls_max_version is not None and self.tls_max_version < ssl.TLSVersion.TLSv1_3:
            raise ValueError(f"tls_max_version={self.tls_max_version!r}: connections are TLS 1.3")
        if self.tls_ciphers is not None:
            raise ValueError(
                f"tls_ciphers={self.tls_ciphers!r}: the ciphers are those of TLS 1.3, which can't be chosen"
            )
        self.extra_conn_args = dict(extra_conn_args or {})
        self.token = token

    @classmethod
    def temporary(cls, **fields: Any) -> "Security":
        """Encryption on this machine too, with an authority and certificates that last as long as the cluster does.

        Examples
        --------
        >>> from raskr.distributed import Security
        >>> Security.temporary()
        Security(require_encryption=True)
        """
        # The cluster's authority is derived from its token: whoever has the object has both.
        return cls(**{"require_encryption": True, "token": secrets.token_hex(32), **fields})

    def __repr__(self) -> str:
        shown = {name: getattr(self, name) for name in _FIELDS if getattr(self, name) is not None}
        return f"Security({', '.join(f'{name}={value!r}' for name, value in shown.items())})"

    def _repr_html_(self) -> str:
        """How notebooks show it: what is set."""
        shown = ((name, getattr(self, name)) for name in _FIELDS)
        return f"<h3>Security</h3>{table((name, value) for name, value in shown if value is not None)}"

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Security):
            return NotImplemented
        return all(getattr(self, name) == getattr(other, name) for name in self.__slots__)

    __hash__ = None  # type: ignore[assignment]

    def options(self, role: str) -> dict[str, str]:
        """The certificates of a role, under the names that the engine has for them.

        Parameters
        ----------
        role : {"client", "scheduler", "worker"}

        Examples
        --------
        >>> from raskr.distributed import Security
        >>> Security(tls_ca_file="ca.pem", tls_worker_cert="w.pem").options("worker")
        {'tls_ca_file': 'ca.pem', 'tls_cert': 'w.pem', 'tls_key': 'w.pem'}
        """
        if role not in _ROLES:
            raise ValueError(f"unknown role {role!r}: expected one of {', '.join(_ROLES)}")
        certificate = getattr(self, f"tls_{role}_cert")
        found = {
            "tls_ca_file": self.tls_ca_file,
            "tls_cert": certificate,
            "tls_key": getattr(self, f"tls_{role}_key") or certificate,
        }
        return {name: path for name, path in found.items() if path is not None}

    def get_tls_config_for_role(self, role: str) -> dict[str, Any]:
        """The files of a role: authority, certificate, key.

        Examples
        --------
        >>> from raskr.distributed import Security
        >>> Security(tls_ca_file="ca.pem").get_tls_config_for_role("client")["ca_file"]
        'ca.pem'
        """
        options = self.options(role)
        return {
            "ca_file": options.get("tls_ca_file"),
            "cert": options.get("tls_cert"),
            "key": options.get("tls_key"),
            "ciphers": self.tls_ciphers,
        }

    def get_connection_args(self, role: str) -> dict[str, Any]:
        """What a process of a role connects with.

        Examples
        --------
        >>> from raskr.distributed import Security
        >>> Security().get_connection_args("client")["require_encryption"]
        False
        """
        return {
            **self.options(role),
            "require_encryption": self.require_encryption,
            "extra_conn_args": self.extra_conn_args,
        }

    def get_listen_args(self, role: str) -> dict[str, Any]:
        """What a process of a role listens with.

        Examples
        --------
        >>> from raskr.distributed import Security
        >>> Security().get_listen_args("scheduler")
        {'require_encryption': False}
        """
        return {**self.options(role), "require_encryption": self.require_encryption}


def _version(name: str, value: Any) -> ssl.TLSVersion | None:
    if isinstance(value, ssl.TLSVersion):
        return value
    try:
        return _VERSIONS[value]
    except (KeyError, TypeError):
        raise ValueError(
            f"{name}={value!r} is not supported: expected 1.2, 1.3 or a member of ssl.TLSVersion"
        ) from None
