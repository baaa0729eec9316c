//! Who may join, and how connections are encrypted.
//!
//! Everybody who has the token belongs to the cluster. The cluster's own certificate authority is derived from the token, so
//! that whoever has the one has the other: each process makes a key and certificate of its own when it starts, both sides
//! show theirs, and nothing but the token is handed on. Users may bring their own authority, certificate and key instead.
//!
//! Does not know sockets. Invariants: TLS 1.3 only, certificates on both sides; keys and tokens are never shown.

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};

use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    KeyUsagePurpose, SerialNumber,
};
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::{Resumption, WebPkiServerVerifier};
use rustls::crypto::CryptoProvider;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer, ServerName, UnixTime};
use rustls::server::WebPkiClientVerifier;
use rustls::{
    CertificateError, ClientConfig, DigitallySignedStruct, Error as TlsError, RootCertStore, ServerConfig,
    SignatureScheme,
};

use crate::address::Address;
use crate::error::CommError;
use crate::token::Token;

/// The name that certificates of a cluster's own authority are made out to: hosts change names and numbers, members stay.
const MEMBER_NAME: &str = "member.raskr.internal";
/// What stands before the seed of an Ed25519 key in its standard encoding (PKCS #8, RFC 8410).
const ED25519_PREFIX: [u8; 16] =
    [0x30, 0x2e, 0x02, 0x01, 0x00, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x04, 0x22, 0x04, 0x20];

/// Certificates of the user's own, in PEM files.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PemFiles {
    /// Whom to trust.
    pub authority: PathBuf,
    /// The certificate of this process, with those between it and the authority.
    pub certificate: PathBuf,
    pub key: PathBuf,
}

/// A cluster's token, and what encrypts its connections. Cheap to clone.
#[derive(Clone)]
pub struct Security {
    token: Token,
    insecure: bool,
    /// The user's authority in PEM; none is the cluster's own.
    authority: Option<Arc<str>>,
    tls: Arc<OnceLock<Result<Tls, String>>>,
}

/// What connections are made with.
#[derive(Clone)]
pub(crate) struct Tls {
    pub client: Arc<ClientConfig>,
    pub server: Arc<ServerConfig>,
}

impl Security {
    /// Plain connections on loopback; TLS with the cluster's own authority beyond it.
    pub fn new(token: Token) -> Security {
        Security { token, insecure: false, authority: None, tls: Arc::default() }
    }

    /// TLS with certificates of the user's own. The token is asked for as well.
    pub fn with_pem_files(token: Token, files: &PemFiles) -> Result<Security, CommError> {
        let mut roots = RootCertStore::empty();
        for certificate in certificates(&files.authority)? {
            let content = |found: String| CommError::Content {
                path: files.authority.clone(),
                expected: "certificates of an authority",
                found,
            };
            roots.add(certificate).map_err(|error| content(error.to_string()))?;
        }
        let chain = certificates(&files.certificate)?;
        let key = PrivateKeyDer::from_pem_file(&files.key)
            .map_err(|error| pem_error(&files.key, "a private key in PEM format", error))?;
        let tls = Tls::new(roots, chain, key, false).map_err(|found| CommError::Content {
            path: files.certificate.clone(),
            expected: "a certificate that fits its key and authority",
            found,
        })?;
        let text = std::fs::read_to_string(&files.authority);
        let text = text.map_err(|error| CommError::file(&files.authority, "read it", error))?;
        Ok(Security { token, insecure: false, authority: Some(text.into()), tls: Arc::new(OnceLock::from(Ok(tls))) })
    }

    /// Allows plain connections beyond loopback, for networks that are trusted: whoever can read along can also take part.
    pub fn insecure(mut self) -> Security {
        self.insecure = true;
        self
    }

    pub fn is_insecure(&self) -> bool {
        self.insecure
    }

    pub fn token(&self) -> &Token {
        &self.token
    }

    /// Does it take certificates of the user's own, which everybody who joins has to be given?
    pub fn has_pem_files(&self) -> bool {
        self.authority.is_some()
    }

    /// The certificate of the authority, in PEM. Members derive that of the cluster's own from the token; other programs
    /// may need it.
    pub fn authority_pem(&self) -> Result<String, CommError> {
        if let Some(text) = &self.authority {
            return Ok(text.to_string());
        }
        let (authority, key) = authority(&self.token).map_err(|reason| own_error(&reason))?;
        Ok(authority.self_signed(&key).map_err(|error| own_error(&error.to_string()))?.pem())
    }

    /// Refuses what would let others read along.
    pub(crate) fn check(&self, address: &Address) -> Result<(), CommError> {
        if address.is_exposed() && !self.insecure {
            return Err(CommError::Insecure { address: address.clone() });
        }
        Ok(())
    }

    pub(crate) fn tls(&self, address: &Address) -> Result<Tls, CommError> {
        self.tls
            .get_or_init(|| Tls::of_token(&self.token))
            .clone()
            .map_err(|reason| CommError::Tls { address: address.clone(), reason })
    }

    /// What a failed TLS handshake means to the user.
    pub(crate) fn explain(&self, address: &Address, error: &TlsError) -> CommError {
        match error {
            // Authorities of clusters have one name and a key each.
            TlsError::InvalidCertificate(CertificateError::BadSignature) if self.authority.is_none() => {
                CommError::WrongToken { address: address.clone() }
            }
            TlsError::InvalidCertificate(CertificateError::UnknownIssuer | CertificateError::BadSignature) => {
                CommError::Tls {
                    address: address.clone(),
                    reason: match self.authority {
                        None => {
                            "its certificate is of an authority of its own: give the certificates that the cluster was \
                         started with (--tls-ca-file, --tls-cert, --tls-key)"
                        }
                        Some(_) => "its certificate is not of the authority that was given",
                    }
                    .to_owned(),
                }
            }
            _ => CommError::Tls { address: address.clone(), reason: error.to_string() },
        }
    }
}

impl fmt::Debug for Security {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Security")
            .field("insecure", &self.insecure)
            .field("has_pem_files", &self.has_pem_files())
            .finish_non_exhaustive()
    }
}

fn own_error(reason: &str) -> CommError {
    let address = Address::loopback();
    CommError::Tls { address, reason: format!("no certificate could be made: {reason}") }
}

fn pem_error(path: &Path, expected: &'static str, error: rustls::pki_types::pem::Error) -> CommError {
    match error {
        rustls::pki_types::pem::Error::Io(source) => CommError::file(path, "read it", source),
        other => CommError::Content { path: path.to_owned(), expected, found: other.to_string() },
    }
}

fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, CommError> {
    let expected = "certificates in PEM format";
    let found: Result<Vec<_>, _> =
        CertificateDer::pem_file_iter(path).map_err(|error| pem_error(path, expected, error))?.collect();
    let found = found.map_err(|error| pem_error(path, expected, error))?;
    if found.is_empty() {
        return Err(CommError::Content { path: path.to_owned(), expected, found: "none".into() });
    }
    Ok(found)
}

/// The cluster's authority: the same wherever it is derived.
fn authority(token: &Token) -> Result<(CertificateParams, KeyPair), String> {
    let mut encoded = ED25519_PREFIX.to_vec();
    encoded.extend_from_slice(&token.derive("raskr: key of the certificate authority, 1"));
    let key = KeyPair::try_from(&PrivatePkcs8KeyDer::from(encoded)).map_err(|error| error.to_string())?;
    let mut params = CertificateParams::default();
    params.distinguished_name = named("raskr cluster");
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign];
    params.serial_number = Some(SerialNumber::from(1u64));
    Ok((params, key))
}

fn named(name: &str) -> DistinguishedName {
    let mut distinguished = DistinguishedName::new();
    distinguished.push(DnType::CommonName, name);
    distinguished
}

impl Tls {
    fn of_token(token: &Token) -> Result<Tls, String> {
        let text = |error: rcgen::Error| error.to_string();
        let (params, key) = authority(token)?;
        let mut roots = RootCertStore::empty();
        let root = params.self_signed(&key).map_err(text)?;
        roots.add(root.der().clone()).map_err(|error| error.to_string())?;
        let own_key = KeyPair::generate().map_err(text)?;
        let mut own = CertificateParams::new(vec![MEMBER_NAME.to_owned()]).map_err(text)?;
        own.distinguished_name = named("raskr member");
        own.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth, ExtendedKeyUsagePurpose::ClientAuth];
        let certificate = own.signed_by(&own_key, &Issuer::from_params(&params, &key)).map_err(text)?;
        let own_key = PrivatePkcs8KeyDer::from(own_key.serialize_der()).into();
        Tls::new(roots, vec![certificate.der().clone()], own_key, true)
    }

    fn new(
        roots: RootCertStore,
        chain: Vec<CertificateDer<'static>>,
        key: PrivateKeyDer<'static>,
        names: bool,
    ) -> Result<Tls, String> {
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let (roots, text) = (Arc::new(roots), |error: TlsError| error.to_string());
        let clients = WebPkiClientVerifier::builder_with_provider(Arc::clone(&roots), Arc::clone(&provider));
        let clients = clients.build().map_err(|error| error.to_string())?;
        let mut server = ServerConfig::builder_with_provider(Arc::clone(&provider))
            .with_protocol_versions(&[&rustls::version::TLS13])
            .map_err(text)?
            .with_client_cert_verifier(clients)
            .with_single_cert(chain.clone(), key.clone_key())
            .map_err(text)?;
        // Connections live long: nothing is gained by resuming earlier ones.
        server.send_tls13_tickets = 0;
        let chains = WebPkiServerVerifier::builder_with_provider(roots, Arc::clone(&provider));
        let chains = chains.build().map_err(|error| error.to_string())?;
        let verifier: Arc<dyn ServerCertVerifier> =
            if names { chains } else { Arc::new(AnyName { chains, provider: Arc::clone(&provider) }) };
        let mut client = ClientConfig::builder_with_provider(provider)
            .with_protocol_versions(&[&rustls::version::TLS13])
            .map_err(text)?
            .dangerous()
            .with_custom_certificate_verifier(verifier)
            .with_client_auth_cert(chain, key)
            .map_err(text)?;
        client.resumption = Resumption::disabled();
        Ok(Tls { client: Arc::new(client), server: Arc::new(server) })
    }

    /// The name that a server's certificate is checked for.
    pub fn server_name(&self) -> Result<ServerName<'static>, String> {
        ServerName::try_from(MEMBER_NAME).map_err(|error| error.to_string())
    }
}

/// Accepts certificates of the user's authority whatever name they are made out to: hosts of a cluster are reached by numbers
/// and by names that certificates rarely list. This gives nothing away: the proof of the token covers the TLS session itself,
/// so that a member's certificate in the wrong hands is not enough to stand in between.
#[derive(Debug)]
struct AnyName {
    chains: Arc<WebPkiServerVerifier>,
    provider: Arc<CryptoProvider>,
}

impl ServerCertVerifier for AnyName {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        name: &ServerName<'_>,
        ocsp: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, TlsError> {
        // The name is looked at last, when the chain, the dates and the uses were found right.
        match self.chains.verify_server_cert(end_entity, intermediates, name, ocsp, now) {
            Err(TlsError::InvalidCertificate(
                CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. },
            )) => Ok(ServerCertVerified::assertion()),
            other => other,
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, TlsError> {
        self.chains.verify_tls12_signature(message, certificate, signature)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, TlsError> {
        self.chains.verify_tls13_signature(message, certificate, signature)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn everybody_with_the_token_derives_the_same_authority_and_nobody_else_does() {
        let (one, two) = (Token::random().expect("random"), Token::random().expect("random"));
        let authority = |token: &Token| Security::new(token.clone()).authority_pem().expect("a certificate");
        assert_eq!(authority(&one), authority(&one));
        assert_ne!(authority(&one), authority(&two));
        assert!(authority(&one).starts_with("-----BEGIN CERTIFICATE-----"));
    }

    #[test]
    fn what_others_could_read_along_is_refused_unless_it_is_said_to_be_fine() {
        let security = Security::new(Token::random().expect("random"));
        let exposed: Address = "tcp://0.0.0.0:0".parse().expect("an address");
        let error = security.check(&exposed).expect_err("refused").to_string();
        assert!(error.contains("tcp://0.0.0.0:0") && error.contains("--insecure"), "{error}");
        for address in ["tcp://127.0.0.1:0", "tls://0.0.0.0:0", "unix:///x", "inproc://x"] {
            security.check(&address.parse().expect("an address")).expect(address);
        }
        security.insecure().check(&exposed).expect("allowed");
    }
}
