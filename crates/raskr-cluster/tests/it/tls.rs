//! Encryption: what may be listened on without it, certificates of the user's own, and clients without one.

use std::path::PathBuf;
use std::sync::Arc;

use raskr_cluster::{Address, CommError, Endpoint, PemFiles, Role, Security, Speaks, Token};
use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use tokio::io::AsyncReadExt;
use tokio::net::TcpStream;

use crate::support::{endpoint, listen, meet, token, unique};

fn tls() -> Address {
    "tls://127.0.0.1:0".parse().expect("an address")
}

/// PEM files of an authority and of a certificate that it has signed, in a folder that goes with them.
struct Authority {
    folder: PathBuf,
    files: PemFiles,
}

impl Drop for Authority {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}

impl Authority {
    fn new() -> Authority {
        let folder = std::env::temp_dir().join(unique());
        std::fs::create_dir(&folder).expect("a folder");
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate().expect("a key");
        let root = params.self_signed(&key).expect("signed");
        let own_key = KeyPair::generate().expect("a key");
        // As such certificates often are: the name is not that of any host here.
        let own = CertificateParams::new(vec!["login.example.org".into()]).expect("params");
        let own = own.signed_by(&own_key, &Issuer::from_params(&params, &key)).expect("signed");
        let file = |name: &str, text: String| {
            std::fs::write(folder.join(name), text).expect("written");
            folder.join(name)
        };
        let files = PemFiles {
            authority: file("ca.pem", root.pem()),
            certificate: file("cert.pem", own.pem()),
            key: file("key.pem", own_key.serialize_pem()),
        };
        Authority { folder, files }
    }

    fn endpoint(&self, role: Role, token: &Token) -> Endpoint {
        Endpoint::new(role, Security::with_pem_files(token.clone(), &self.files).expect("read"))
    }
}

#[tokio::test]
async fn without_encryption_only_loopback_is_listened_on_and_connected_to() {
    let token = token();
    let server = endpoint(Role::Scheduler, &token);
    for address in ["tcp://0.0.0.0:0", "tcp://[::]:0", "tcp://192.0.2.1:0"] {
        let address = address.parse().expect("an address");
        let error = server.listen(&address).await.err().expect("refused");
        assert!(matches!(error, CommError::Insecure { .. }), "{error:?}");
        let error = server.connect(&address).await.err().expect("refused");
        assert!(matches!(error, CommError::Insecure { .. }), "{error:?}");
    }
    let open = Endpoint::new(Role::Scheduler, Security::new(token.clone()).insecure());
    let mut listener = listen(&open, &"tcp://0.0.0.0:0".parse().expect("an address")).await;
    let contact = listener.contact();
    assert!(!contact.host().expect("a host").is_unspecified(), "{contact}");
    let client = Endpoint::new(Role::Client, Security::new(token).insecure());
    let (one, two) = tokio::join!(client.connect(&contact), listener.accept());
    drop((one.expect("connected"), two.expect("accepted")));
}

#[tokio::test]
async fn beyond_loopback_the_token_is_enough_for_tls() {
    let token = token();
    let mut listener =
        listen(&endpoint(Role::Scheduler, &token), &"tls://0.0.0.0:0".parse().expect("an address")).await;
    let client = endpoint(Role::Worker, &token);
    let contact = listener.contact();
    let (one, two) = tokio::join!(client.connect(&contact), listener.accept());
    assert_eq!(two.expect("accepted").peer().role, Role::Worker);
    assert!(matches!(one.expect("connected").peer().address, Address::Tls(_)));
}

#[tokio::test]
async fn certificates_of_the_users_own_serve_with_the_token() {
    let (ours, others, token) = (Authority::new(), Authority::new(), token());
    let server = ours.endpoint(Role::Scheduler, &token);
    let (one, two) = meet(&ours.endpoint(Role::Client, &token), &server, &tls()).await;
    drop((one, two));
    let listener = listen(&server, &tls()).await;
    let refused = |client: Endpoint| async move { client.connect(listener.address()).await.err().expect("kept out") };
    let error = refused(others.endpoint(Role::Client, &token)).await;
    assert!(error.to_string().contains("is not of the authority that was given"), "{error}");
    let listener = listen(&server, &tls()).await;
    let error = endpoint(Role::Client, &token).connect(listener.address()).await.err().expect("kept out");
    assert!(error.to_string().contains("give the certificates that the cluster was started with"), "{error}");
    let file = raskr_cluster::ClusterFile::new(listener.address().clone(), vec![], server.security.clone());
    assert!(file.expect("a file").has_pem_files);
    let error = ours.endpoint(Role::Client, &crate::support::token()).connect(listener.address()).await.err();
    assert!(matches!(error, Some(CommError::WrongToken { .. })), "a certificate is not enough: {error:?}");
}

#[tokio::test]
async fn a_client_without_a_certificate_is_kept_out() {
    let token = token();
    let mut listener = listen(&endpoint(Role::Scheduler, &token), &tls()).await;
    let pem = Security::new(token).authority_pem().expect("a certificate");
    let root = <rustls::pki_types::CertificateDer<'static> as rustls::pki_types::pem::PemObject>::from_pem_slice(
        pem.as_bytes(),
    );
    let mut roots = rustls::RootCertStore::empty();
    roots.add(root.expect("a certificate")).expect("an authority");
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .expect("versions")
        .with_root_certificates(roots)
        .with_no_client_auth();
    let stream = TcpStream::connect(listener.address().place()).await.expect("connected");
    let name = rustls::pki_types::ServerName::try_from("member.raskr.internal").expect("a name");
    let kept_out = match tokio_rustls::TlsConnector::from(Arc::new(config)).connect(name, stream).await {
        Err(error) => error,
        Ok(mut stream) => stream.read(&mut [0]).await.expect_err("kept out"),
    };
    assert!(kept_out.to_string().contains("CertificateRequired"), "{kept_out}");
    let accepted = tokio::time::timeout(std::time::Duration::ZERO, listener.accept()).await;
    assert!(accepted.is_err());
}

#[tokio::test]
async fn a_server_of_another_cluster_is_not_trusted() {
    let listener = listen(&endpoint(Role::Scheduler, &token()), &tls()).await;
    let error = endpoint(Role::Client, &token()).connect(listener.address()).await.err().expect("kept out");
    assert!(matches!(error, CommError::WrongToken { .. }), "{error:?}");
    assert!(!matches!(error, CommError::Foreign { speaks: Speaks::Nothing, .. }));
}

#[test]
fn pem_files_that_cannot_serve_are_named_with_what_was_found() {
    let (ours, others) = (Authority::new(), Authority::new());
    let reads = |change: &dyn Fn(&mut PemFiles)| {
        let mut files = ours.files.clone();
        change(&mut files);
        Security::with_pem_files(token(), &files).expect_err("refused").to_string()
    };
    let missing = reads(&|files| files.key = "/nowhere/key.pem".into());
    assert!(missing.contains("/nowhere/key.pem: could not read it"), "{missing}");
    let swapped = reads(&|files| files.key = files.certificate.clone());
    assert!(swapped.contains("cert.pem: expected a private key in PEM format"), "{swapped}");
    let empty = reads(&|files| files.certificate = files.key.clone());
    assert!(empty.contains("key.pem: expected certificates in PEM format, found none"), "{empty}");
    let mixed = reads(&|files| files.key = others.files.key.clone());
    assert!(mixed.contains("expected a certificate that fits its key"), "{mixed}");
}
