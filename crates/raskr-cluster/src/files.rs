//! State files and scheduler files: how processes of one user find a cluster and its token without being told.
//!
//! A state file lies in `$XDG_STATE_HOME/raskr/clusters` (or `~/.local/state/...`), which only the user can enter; its name
//! is the cluster's id. A scheduler file holds the same at a place of the user's choice, for clusters of several machines.
//! Invariants: files with a token can be read by nobody else, from the moment they exist; under its name a file is whole;
//! files of processes that are gone are removed by whoever comes across them on the same machine.

use std::collections::BTreeMap;
use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::address::Address;
use crate::error::CommError;
use crate::process;
use crate::security::Security;
use crate::token::{TOKEN_VARIABLE, Token, hex, random};

/// No file of ours is longer.
const FILE_BYTES_MAX: u64 = 1 << 20;

/// What processes that want to join are to know of a cluster.
#[derive(Clone, Debug)]
pub struct ClusterFile {
    /// Unique among clusters.
    pub id: String,
    /// Where the scheduler is reached.
    pub address: Address,
    /// Where else, such as a socket for processes of the same machine.
    pub other_addresses: Vec<Address>,
    /// Without the certificates of the user's own that it may have been started with, see `has_pem_files`.
    pub security: Security,
    /// Does it take certificates of the user's own? They come with [`Security::with_pem_files`] and the token from here.
    pub has_pem_files: bool,
    /// The release of raskr that the scheduler runs.
    pub version: String,
    pub pid: u32,
    began: Option<u64>,
    machine: String,
    host: String,
}

/// The file's fields.
#[derive(Serialize, Deserialize)]
struct Content {
    id: String,
    address: Address,
    #[serde(default)]
    other_addresses: Vec<Address>,
    token: String,
    /// For other programs: raskr's own processes derive it from the token, or are given certificates.
    ca: String,
    #[serde(default)]
    insecure: bool,
    #[serde(default)]
    has_pem_files: bool,
    version: String,
    pid: u32,
    #[serde(default)]
    began: Option<u64>,
    #[serde(default)]
    machine: String,
    #[serde(default)]
    host: String,
    /// For programs that read Dask's scheduler files.
    #[serde(default, rename = "type")]
    kind: String,
    #[serde(default)]
    services: BTreeMap<String, u16>,
    #[serde(default)]
    workers: BTreeMap<String, String>,
}

/// Removes the file that it stands for when it is dropped.
#[derive(Debug)]
pub struct Published {
    path: PathBuf,
    id: String,
}

impl Published {
    pub fn path(&self) -> &Path {
        &self.path
    }
}

impl Drop for Published {
    fn drop(&mut self) {
        // A scheduler that was started later may have written its own in its place.
        if ClusterFile::read(&self.path).is_ok_and(|file| file.id == self.id) {
            let _ = fs::remove_file(&self.path);
        }
    }
}

impl ClusterFile {
    /// For a cluster whose scheduler is this process.
    pub fn new(address: Address, other_addresses: Vec<Address>, security: Security) -> Result<ClusterFile, CommError> {
        let pid = std::process::id();
        Ok(ClusterFile {
            id: hex(&random::<8>()?),
            address,
            other_addresses,
            has_pem_files: security.has_pem_files(),
            security,
            version: env!("CARGO_PKG_VERSION").to_owned(),
            pid,
            began: process::started(pid),
            machine: process::machine_id(),
            host: process::host_name(),
        })
    }

    /// Writes the state file, in the user's folder for them.
    pub fn publish(&self) -> Result<Published, CommError> {
        let folder = state_folder()?;
        self.publish_in(&folder)
    }

    fn publish_in(&self, folder: &Path) -> Result<Published, CommError> {
        private_folder(folder)?;
        self.write(&folder.join(format!("{}.json", self.id)))
    }

    /// Writes a scheduler file; one that is there is replaced.
    pub fn write(&self, path: &Path) -> Result<Published, CommError> {
        let content = Content {
            id: self.id.clone(),
            address: self.address.clone(),
            other_addresses: self.other_addresses.clone(),
            token: self.security.token().reveal(),
            ca: self.security.authority_pem()?,
            insecure: self.security.is_insecure(),
            has_pem_files: self.has_pem_files,
            version: self.version.clone(),
            pid: self.pid,
            began: self.began,
            machine: self.machine.clone(),
            host: self.host.clone(),
            kind: "Scheduler".to_owned(),
            services: BTreeMap::new(),
            workers: BTreeMap::new(),
        };
        let failed = |error| CommError::file(path, "write it", error);
        let text = serde_json::to_string_pretty(&content).map_err(|error| failed(error.into()))?;
        write_private(path, text.as_bytes()).map_err(failed)?;
        Ok(Published { path: path.to_owned(), id: self.id.clone() })
    }

    /// Reads a scheduler file, or a state file.
    pub fn read(path: &Path) -> Result<ClusterFile, CommError> {
        let failed = |error| CommError::file(path, "read it", error);
        let file = File::open(path).map_err(failed)?;
        let found = |found: String| CommError::Content { path: path.to_owned(), expected: "a scheduler file", found };
        let metadata = file.metadata().map_err(failed)?;
        if metadata.mode() & 0o022 != 0 {
            return Err(found("one that others can write to: chmod 600 it".into()));
        }
        if metadata.mode() & 0o044 != 0 {
            tracing::warn!("{}: others can read it, and the cluster's token in it: chmod 600 it", path.display());
        }
        let mut text = String::new();
        file.take(FILE_BYTES_MAX).read_to_string(&mut text).map_err(failed)?;
        if text.trim().is_empty() {
            return Err(found("an empty file".into()));
        }
        let content: Content = serde_json::from_str(&text).map_err(|error| found(format!("other content: {error}")))?;
        let token = Token::parse(&content.token, &path.display().to_string())?;
        let security = Security::new(token);
        Ok(ClusterFile {
            id: content.id,
            address: content.address,
            other_addresses: content.other_addresses,
            security: if content.insecure { security.insecure() } else { security },
            has_pem_files: content.has_pem_files,
            version: content.version,
            pid: content.pid,
            began: content.began,
            machine: content.machine,
            host: content.host,
        })
    }

    /// Is its scheduler gone for certain? Of other machines, which may share the folder, that can't be told.
    fn is_gone(&self) -> bool {
        let (here, boot) = (process::machine_id(), |id: &str| id.split(' ').next().unwrap_or_default().to_owned());
        if here.is_empty() || self.machine.is_empty() {
            return false;
        }
        let restarted = self.host == process::host_name() && boot(&self.machine) != boot(&here);
        restarted || self.machine == here && !process::is_alive(self.pid, self.began)
    }

    /// Does the address lead to this cluster? Loopback of another machine, which may share the folder, does not.
    fn is_at(&self, address: &Address) -> bool {
        let elsewhere = !self.host.is_empty() && self.host != process::host_name();
        let mut own = std::iter::once(&self.address).chain(&self.other_addresses);
        own.any(|own| own.same_place(address)) && !(elsewhere && address.is_local())
    }
}

/// What is known about the cluster at an address: by the state file of a cluster that this user has started, or else by
/// `RASKR_TOKEN`. The address comes back with the scheme that the cluster has.
pub fn find(address: &Address) -> Result<(Address, Security), CommError> {
    find_in(state_folder().ok().as_deref(), Token::from_environment()?, address)
}

fn find_in(
    folder: Option<&Path>,
    environment: Option<Token>,
    address: &Address,
) -> Result<(Address, Security), CommError> {
    let found = folder.map(clusters_in).unwrap_or_default().into_iter().find(|cluster| cluster.is_at(address));
    let cluster = match (found, environment) {
        (Some(cluster), _) => cluster,
        (None, Some(token)) => return Ok((address.clone(), Security::new(token))),
        (None, None) => return Err(CommError::NoToken { address: address.clone() }),
    };
    // `node:8786` was taken for TLS; the cluster knows better.
    let scheme = match (&cluster.address, address) {
        (Address::Tcp(own), Address::Tls(typed)) if own.port == typed.port => Address::Tcp(typed.clone()),
        (Address::Tls(own), Address::Tcp(typed)) if own.port == typed.port => Address::Tls(typed.clone()),
        _ => address.clone(),
    };
    Ok((scheme, cluster.security))
}

/// The clusters that this user has started and that may still run, the latest first; files of the others are removed.
pub fn clusters() -> Result<Vec<ClusterFile>, CommError> {
    Ok(clusters_in(&state_folder()?))
}

fn clusters_in(folder: &Path) -> Vec<ClusterFile> {
    let Ok(entries) = fs::read_dir(folder) else { return Vec::new() };
    let mut found = Vec::new();
    for path in entries.filter_map(|entry| Some(entry.ok()?.path())) {
        if path.extension().is_none_or(|extension| extension != "json") || !is_own(&path) {
            continue;
        }
        match ClusterFile::read(&path) {
            Ok(cluster) if cluster.is_gone() => {
                let _ = fs::remove_file(&path);
            }
            Ok(cluster) => {
                let written = fs::metadata(&path).and_then(|metadata| metadata.modified()).ok();
                found.push((written, cluster));
            }
            // Of another release perhaps; not ours to remove.
            Err(error) => tracing::debug!("a state file was passed over: {error}"),
        }
    }
    found.sort_by(|one, two| two.0.cmp(&one.0).then_with(|| one.1.id.cmp(&two.1.id)));
    found.into_iter().map(|(_, cluster)| cluster).collect()
}

/// A file of this user's that nobody else can touch.
fn is_own(path: &Path) -> bool {
    fs::symlink_metadata(path).is_ok_and(|metadata| {
        metadata.is_file() && metadata.uid() == rustix::process::geteuid().as_raw() && metadata.mode() & 0o077 == 0
    })
}

/// Where the state files of this user's clusters are; others of raskr may lie beside them.
pub fn state_folder() -> Result<PathBuf, CommError> {
    let absolute = |name: &str| std::env::var_os(name).map(PathBuf::from).filter(|path| path.is_absolute());
    let base = absolute("XDG_STATE_HOME").or_else(|| Some(absolute("HOME")?.join(".local/state")));
    let missing = || {
        io::Error::new(
            io::ErrorKind::NotFound,
            format!("neither XDG_STATE_HOME nor HOME is set; {TOKEN_VARIABLE} serves as well"),
        )
    };
    let base = base.ok_or_else(|| CommError::file("$XDG_STATE_HOME/raskr", "find it", missing()))?;
    Ok(base.join("raskr/clusters"))
}

/// Makes a folder that only this user can enter, with those above it.
fn private_folder(folder: &Path) -> Result<(), CommError> {
    let failed = |error| CommError::file(folder, "make it a folder of this user's only", error);
    DirBuilder::new().recursive(true).mode(0o700).create(folder).map_err(failed)?;
    let metadata = fs::metadata(folder).map_err(failed)?;
    if metadata.uid() != rustix::process::geteuid().as_raw() {
        return Err(failed(io::Error::new(io::ErrorKind::PermissionDenied, "it belongs to another user")));
    }
    if metadata.mode() & 0o077 != 0 {
        fs::set_permissions(folder, std::os::unix::fs::PermissionsExt::from_mode(0o700)).map_err(failed)?;
    }
    Ok(())
}

/// Writes a file whole, readable by this user only, under another name first.
fn write_private(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let name = path.file_name().ok_or_else(|| io::Error::new(io::ErrorKind::InvalidInput, "it names no file"))?;
    let suffix = random::<8>().map(|bytes| hex(&bytes)).map_err(|error| io::Error::other(error.to_string()))?;
    let beside = path.with_file_name(format!(".{}.{suffix}", name.to_string_lossy()));
    let written = (|| {
        let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&beside)?;
        file.write_all(bytes)?;
        file.sync_all()?;
        fs::rename(&beside, path)
    })();
    if written.is_err() {
        let _ = fs::remove_file(&beside);
    }
    written
}

#[cfg(test)]
#[path = "files_tests.rs"]
mod tests;
