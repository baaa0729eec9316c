//! Which store a URL names and how it is reached; files in it, and lists of them.

use std::collections::{BTreeMap, HashMap};
use std::io;
use std::ops::Range;
use std::path::PathBuf;
use std::str::FromStr;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use bytes::Bytes;
use futures::TryStreamExt;
use object_store::aws::{AmazonS3Builder, AmazonS3ConfigKey, resolve_bucket_region};
use object_store::azure::{AzureConfigKey, MicrosoftAzureBuilder};
use object_store::gcp::{GoogleCloudStorageBuilder, GoogleConfigKey};
use object_store::http::HttpBuilder;
use object_store::path::Path;
use object_store::{BackoffConfig, ClientConfigKey, ClientOptions, ObjectStore, ObjectStoreExt, RetryConfig};
use parking_lot::Mutex;
use url::Url;

use super::reader::ObjectReader;
use super::requests::ask;
use crate::error::IoError;

/// Options of stores by the names that the crate `object_store` gives them, such as `access_key_id`.
pub type StoreOptions = BTreeMap<String, String>;

/// A server that does not answer is asked again for so long.
const RETRY: Duration = Duration::from_secs(20);
const RETRIES: usize = 6;
/// One request, of which the largest fetch some megabytes.
const REQUEST: Duration = Duration::from_secs(120);

/// A file in a store: where it is, and how it is reached.
#[derive(Clone)]
pub struct ObjectFile {
    store: Arc<dyn ObjectStore>,
    key: Path,
    url: Arc<PathBuf>,
    options: Arc<StoreOptions>,
    size: Arc<OnceLock<u64>>,
}

/// A file or a folder in a list.
pub struct Listed {
    pub url: String,
    /// Nothing for a folder.
    pub size: Option<u64>,
    /// Seconds since 1970.
    pub modified: f64,
}

impl ObjectFile {
    pub fn find(url: &str, options: &StoreOptions) -> Result<ObjectFile, IoError> {
        let place = Place::of(url)?;
        let store = place.store(options)?;
        let (url, options) = (Arc::new(PathBuf::from(url)), Arc::new(options.clone()));
        Ok(ObjectFile { store, key: place.key, url, options, size: Arc::default() })
    }

    /// Its URL.
    pub fn path(&self) -> &std::path::Path {
        &self.url
    }

    pub fn options(&self) -> &StoreOptions {
        &self.options
    }

    /// Its bytes, asked for once.
    pub fn size(&self) -> Result<u64, IoError> {
        if let Some(size) = self.size.get() {
            return Ok(*size);
        }
        self.about().map(|(size, _)| size)
    }

    /// Its bytes now, and when it was written, in seconds since 1970.
    pub fn about(&self) -> Result<(u64, f64), IoError> {
        let (store, key) = (Arc::clone(&self.store), self.key.clone());
        let found = self.asked("look up", async move { store.head(&key).await })?;
        self.size.get_or_init(|| found.size);
        Ok((found.size, seconds(&found)))
    }

    pub fn reader(&self) -> Result<ObjectReader, IoError> {
        let size = self.size()?;
        Ok(ObjectReader::new(self.clone(), size))
    }

    /// The bytes of a range; of all the file where the server can't tell ranges, which the second answer says.
    pub(super) fn fetch(
        &self,
        range: Range<u64>,
    ) -> impl Future<Output = Result<(u64, Bytes), object_store::Error>> + Send + use<> {
        let (store, key) = (Arc::clone(&self.store), self.key.clone());
        async move {
            match store.get_range(&key, range.clone()).await {
                Ok(bytes) => Ok((range.start, bytes)),
                Err(object_store::Error::NotSupported { .. }) => Ok((0, store.get(&key).await?.bytes().await?)),
                Err(error) => Err(error),
            }
        }
    }

    /// The bytes of several ranges; neighbours are fetched together, those that are far from each other side by side.
    pub(super) fn ranges(&self, ranges: &[Range<u64>]) -> Result<Vec<Bytes>, IoError> {
        let (store, key, ranges) = (Arc::clone(&self.store), self.key.clone(), ranges.to_vec());
        self.asked("read", async move { store.get_ranges(&key, &ranges).await })
    }

    /// Takes the file away; it is no error if there is none.
    pub fn delete(&self) -> Result<(), IoError> {
        let (store, key) = (Arc::clone(&self.store), self.key.clone());
        match self.asked("delete", async move { store.delete(&key).await }) {
            Err(IoError::Missing { .. }) => Ok(()),
            other => other,
        }
    }

    /// Copies the file within its store.
    pub fn copy(&self, to: &ObjectFile) -> Result<(), IoError> {
        let (store, key, to) = (Arc::clone(&self.store), self.key.clone(), to.key.clone());
        self.asked("copy", async move { store.copy(&key, &to).await })
    }

    /// Where and under which name it is, for a writer.
    pub(super) fn place(&self) -> (Arc<dyn ObjectStore>, Path) {
        (Arc::clone(&self.store), self.key.clone())
    }

    pub(super) fn asked<T: Send + 'static>(
        &self,
        doing: &'static str,
        work: impl Future<Output = Result<T, object_store::Error>> + Send + 'static,
    ) -> Result<T, IoError> {
        let answer = ask(work).map_err(IoError::system(&self.url, doing))?;
        answer.map_err(|error| self.failed(doing, &error))
    }

    pub(super) fn failed(&self, doing: &'static str, error: &object_store::Error) -> IoError {
        failed(&self.url, doing, error)
    }
}

/// What is below a folder: all files, or files and folders that are directly in it.
pub fn list(url: &str, options: &StoreOptions, all: bool) -> Result<Vec<Listed>, IoError> {
    let place = Place::of(url)?;
    let (store, key) = (place.store(options)?, place.key);
    let asked = async move {
        if all {
            return Ok((store.list(Some(&key)).try_collect().await?, Vec::new()));
        }
        let found = store.list_with_delimiter(Some(&key)).await?;
        Ok((found.objects, found.common_prefixes))
    };
    let path = std::path::Path::new(url);
    let answer = ask(asked).map_err(IoError::system(path, "list"))?;
    let (files, folders) = answer.map_err(|error| failed(path, "list", &error))?;
    let url = |key: &Path| format!("{}/{key}", place.root);
    let files =
        files.iter().map(|file| Listed { url: url(&file.location), size: Some(file.size), modified: seconds(file) });
    let folders = folders.iter().map(|key| Listed { url: url(key), size: None, modified: 0.0 });
    Ok(files.chain(folders).collect())
}

fn seconds(file: &object_store::ObjectMeta) -> f64 {
    file.last_modified.timestamp_micros() as f64 / 1e6
}

fn failed(url: &std::path::Path, doing: &'static str, error: &object_store::Error) -> IoError {
    use object_store::Error;
    let path = url.to_path_buf();
    match error {
        Error::NotFound { .. } => IoError::Missing { path },
        Error::PermissionDenied { .. } | Error::Unauthenticated { .. } => {
            IoError::Denied { path, doing, message: reasons(error) }
        }
        Error::NotSupported { .. } | Error::NotImplemented { .. } => {
            IoError::Unsupported { path, message: format!("could not {doing}: {}", reasons(error)) }
        }
        _ => IoError::System { path, doing, source: io::Error::other(reasons(error)) },
    }
}

/// The innermost reason, which says most in fewest words, behind what it was a reason for.
fn reasons(error: &object_store::Error) -> String {
    let mut innermost: &dyn std::error::Error = error;
    while let Some(source) = innermost.source() {
        innermost = source;
    }
    let (whole, reason) = (error.to_string(), innermost.to_string());
    if whole.contains(&reason) { whole } else { format!("{whole}: {reason}") }
}

/// A URL in its parts.
struct Place {
    scheme: String,
    /// The bucket, container or host.
    bucket: String,
    /// The URL up to the path.
    root: String,
    key: Path,
}

impl Place {
    fn of(url: &str) -> Result<Place, IoError> {
        let wrong = |message: String| IoError::Unsupported { path: PathBuf::from(url), message };
        let (scheme, rest) =
            url.split_once("://").ok_or_else(|| wrong("expected a URL such as s3://bucket/key".into()))?;
        let (bucket, key) = rest.split_once('/').unwrap_or((rest, ""));
        if bucket.is_empty() {
            return Err(wrong(format!("expected a bucket or a host behind {scheme}://")));
        }
        let is_web = matches!(scheme, "http" | "https");
        if is_web && key.contains(['?', '#']) {
            return Err(wrong("URLs with queries are not read natively".into()));
        }
        // Keys of stores are as they are; paths of web servers are encoded.
        let key = if is_web { Path::from_url_path(key) } else { Path::parse(key.trim_end_matches('/')) };
        let key = key.map_err(|error| wrong(error.to_string()))?;
        let root = format!("{scheme}://{bucket}");
        Ok(Place { scheme: scheme.to_owned(), bucket: bucket.to_owned(), root, key })
    }

    /// The store, which is made once.
    fn store(&self, options: &StoreOptions) -> Result<Arc<dyn ObjectStore>, IoError> {
        type Stores = HashMap<(String, StoreOptions), Arc<dyn ObjectStore>>;
        static STORES: Mutex<Option<Stores>> = Mutex::new(None);
        let named = (self.root.clone(), options.clone());
        if let Some(store) = STORES.lock().as_ref().and_then(|stores| stores.get(&named)) {
            return Ok(Arc::clone(store));
        }
        let made = self.made(options)?;
        let mut stores = STORES.lock();
        Ok(Arc::clone(stores.get_or_insert_default().entry(named).or_insert(made)))
    }

    fn made(&self, options: &StoreOptions) -> Result<Arc<dyn ObjectStore>, IoError> {
        let path = PathBuf::from(&self.root);
        let wrong = |message: String| IoError::Unsupported { path: path.clone(), message };
        let failed = |error: object_store::Error| wrong(reasons(&error));
        let retry = RetryConfig {
            backoff: BackoffConfig { max_backoff: Duration::from_secs(4), ..BackoffConfig::default() },
            max_retries: RETRIES,
            retry_timeout: RETRY,
        };
        let client = ClientOptions::new().with_timeout(REQUEST);
        let keys = |unknown: &str| wrong(format!("option {unknown:?} is not known for {}://", self.scheme));
        Ok(match self.scheme.as_str() {
            "s3" | "s3a" => {
                let mut builder = AmazonS3Builder::from_env().with_client_options(client.clone()).with_retry(retry);
                builder = builder.with_bucket_name(&self.bucket);
                for (name, value) in options {
                    let key = AmazonS3ConfigKey::from_str(name).map_err(|_| keys(name))?;
                    builder = builder.with_config(key, value);
                }
                let is_set = |key| builder.get_config_value(&key).is_some();
                let is_told = is_set(AmazonS3ConfigKey::Region) || is_set(AmazonS3ConfigKey::DefaultRegion);
                if !is_told && !is_set(AmazonS3ConfigKey::Endpoint) && !is_set(AmazonS3ConfigKey::S3Endpoint) {
                    let bucket = self.bucket.clone();
                    let found = ask(async move { resolve_bucket_region(&bucket, &client).await });
                    // Where it can't be found, the store says why with the first request.
                    if let Ok(Ok(region)) = found {
                        builder = builder.with_region(region);
                    }
                }
                Arc::new(builder.build().map_err(failed)?)
            }
            "gs" | "gcs" => {
                let mut builder = GoogleCloudStorageBuilder::from_env().with_client_options(client).with_retry(retry);
                builder = builder.with_bucket_name(&self.bucket);
                for (name, value) in options {
                    let key = GoogleConfigKey::from_str(name).map_err(|_| keys(name))?;
                    builder = builder.with_config(key, value);
                }
                Arc::new(builder.build().map_err(failed)?)
            }
            "az" | "abfs" | "abfss" | "adl" => {
                let mut builder = MicrosoftAzureBuilder::from_env().with_client_options(client).with_retry(retry);
                builder = builder.with_url(format!("{}/", self.root));
                for (name, value) in options {
                    let key = AzureConfigKey::from_str(name).map_err(|_| keys(name))?;
                    builder = builder.with_config(key, value);
                }
                Arc::new(builder.build().map_err(failed)?)
            }
            "http" | "https" => {
                let url = Url::parse(&self.root).map_err(|error| wrong(error.to_string()))?;
                let mut client = client.with_allow_http(url.scheme() == "http");
                for (name, value) in options {
                    let key = ClientConfigKey::from_str(name).map_err(|_| keys(name))?;
                    client = client.with_config(key, value);
                }
                let builder = HttpBuilder::new().with_url(url).with_client_options(client).with_retry(retry);
                Arc::new(builder.build().map_err(failed)?)
            }
            other => return Err(wrong(format!("{other}:// is not read natively"))),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn place(url: &str) -> (String, String) {
        let found = Place::of(url).expect("a place");
        (found.root, found.key.to_string())
    }

    #[test]
    fn urls_are_taken_apart() {
        assert_eq!(place("s3://bucket/a/b c.csv"), ("s3://bucket".into(), "a/b c.csv".into()));
        assert_eq!(place("gs://bucket"), ("gs://bucket".into(), String::new()));
        assert_eq!(place("https://host:80/a%20b.csv"), ("https://host:80".into(), "a b.csv".into()));
        let container = "abfs://container@account.dfs.core.windows.net";
        assert_eq!(place(&format!("{container}/folder/")), (container.into(), "folder".into()));
    }

    #[test]
    fn what_is_no_place_is_told() {
        for (url, said) in [("here", "a URL"), ("s3://", "a bucket"), ("http://host/a?b=1", "queries")] {
            let error = Place::of(url).err().expect("an error").to_string();
            assert!(error.contains(said), "{error}");
        }
    }

    #[test]
    fn options_are_looked_at() {
        let options = StoreOptions::from([("colour".to_owned(), "red".to_owned())]);
        for url in ["s3://bucket/a", "gs://bucket/a", "az://bucket/a", "https://host/a"] {
            let error = ObjectFile::find(url, &options).err().expect("an error").to_string();
            assert!(error.contains("\"colour\" is not known"), "{error}");
        }
        let error = ObjectFile::find("ftp://host/a", &StoreOptions::new()).err().expect("an error").to_string();
        assert!(error.contains("ftp:// is not read natively"), "{error}");
    }
}
