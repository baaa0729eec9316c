//! `ZarrWriter`: an array that is being written, region by region, from any thread.

use std::fs;
use std::ops::Range;
use std::path::{Component, Path, PathBuf};

use parking_lot::Mutex;
use raskr_base::Chunk;
use serde_json::json;
use zarrs::array::{ArrayBytes, ArraySubset};

use super::metadata::{ZarrSpec, ZarrVersion};
use super::read::{ZarrArray, options};
use crate::bytes;
use crate::error::IoError;
use crate::temporary::Temporary;

/// Chunks that several writers meet in are guarded by as many locks.
const LOCKS: usize = 64;

/// An array that is being written. A new one appears under its name when it is published; dropped before, nothing of it
/// remains.
#[derive(Debug)]
pub struct ZarrWriter {
    array: ZarrArray,
    /// `None` when an existing array is written to in place.
    temporary: Option<Temporary>,
    locks: Vec<Mutex<()>>,
}

impl ZarrWriter {
    /// Begins a new array in a folder beside `path`. With `overwrite` an existing one stays until the new one is whole.
    pub fn create(path: impl AsRef<Path>, spec: &ZarrSpec, overwrite: bool) -> Result<ZarrWriter, IoError> {
        let path = path.as_ref();
        if spec.chunks.len() != spec.shape.len() || spec.chunks.contains(&0) {
            let message = format!(
                "chunks {:?} of an array of shape {:?}: one length of at least 1 is needed for each axis",
                spec.chunks, spec.shape
            );
            return Err(IoError::Metadata { path: path.to_path_buf(), message });
        }
        let temporary = Temporary::beside(path, overwrite)?;
        let folder = temporary.path().to_path_buf();
        fs::create_dir(&folder).map_err(IoError::system(path, "create the folder"))?;
        let text = format!("{:#}\n", spec.metadata());
        fs::write(folder.join(spec.version.array_file()), text)
            .map_err(IoError::system(path, "write its description"))?;
        let array = ZarrArray::described(&folder, path)?;
        Ok(ZarrWriter::over(array, Some(temporary)))
    }

    /// Writes into an array that exists, in place.
    pub fn open(path: impl AsRef<Path>) -> Result<ZarrWriter, IoError> {
        Ok(ZarrWriter::over(ZarrArray::open(path)?, None))
    }

    fn over(array: ZarrArray, temporary: Option<Temporary>) -> ZarrWriter {
        ZarrWriter { array, temporary, locks: (0..LOCKS).map(|_| Mutex::new(())).collect() }
    }

    /// The array as described; of a new one, what is read here is what was written so far.
    pub fn array(&self) -> &ZarrArray {
        &self.array
    }

    /// Writes one region. Whole chunks are written as they are; of others the rest is kept, and writers that meet in
    /// one chunk wait for each other.
    pub fn write_region(&self, region: &[Range<usize>], chunk: &Chunk) -> Result<(), IoError> {
        let array = &self.array;
        array.check_region(region)?;
        let shape: Vec<usize> = region.iter().map(Range::len).collect();
        if chunk.shape() != shape || chunk.dtype() != array.dtype {
            return Err(IoError::Block {
                path: array.path.clone(),
                shape,
                dtype: array.dtype,
                found_shape: chunk.shape().to_vec(),
                found: chunk.dtype(),
            });
        }
        if chunk.is_empty() {
            return Ok(());
        }
        for indices in overlapped(region, &array.chunks) {
            self.write_chunk(region, &indices, chunk)?;
        }
        Ok(())
    }

    fn write_chunk(&self, region: &[Range<usize>], indices: &[u64], chunk: &Chunk) -> Result<(), IoError> {
        let array = &self.array;
        let (mut source, mut target) = (Vec::new(), Vec::new());
        let mut whole = true;
        for (axis, r) in region.iter().enumerate() {
            let n = array.chunks[axis];
            let origin = indices[axis] as usize * n;
            let (start, end) = (r.start.max(origin), r.end.min(origin + n));
            source.push(start - r.start..end - r.start);
            target.push((start - origin) as u64..(end - origin) as u64);
            // A chunk at the edge reaches beyond the array: nobody else writes there.
            whole &= start == origin && end == (origin + n).min(array.shape[axis]);
        }
        let failed = |message: String| array.failed(indices, message);
        let part = bytes::part(chunk, &source).ok_or_else(|| failed("the block is smaller than its region".into()))?;
        let data = ArrayBytes::new_flen(bytes::row_major(&part));
        let subset = ArraySubset::new_with_ranges(&target);
        let _guard = if whole { None } else { Some(self.locks[lock_of(indices)].lock()) };
        array
            .array
            .store_chunk_subset_opt(indices, &subset, data, &options())
            .map_err(|error| failed(format!("could not be written: {error}")))
    }

    /// Gives a new array its name; does nothing for one that existed.
    pub fn publish(self) -> Result<(), IoError> {
        match self.temporary {
            Some(temporary) => temporary.publish(),
            None => Ok(()),
        }
    }
}

fn lock_of(indices: &[u64]) -> usize {
    (indices.iter().fold(0u64, |hash, &i| hash.wrapping_mul(0x9E37_79B9_7F4A_7C15).wrapping_add(i)) % LOCKS as u64)
        as usize
}

/// Indices of the chunks that a region touches, in row-major order.
pub(super) fn overlapped(region: &[Range<usize>], chunks: &[usize]) -> Vec<Vec<u64>> {
    if region.iter().any(|r| r.is_empty()) {
        return Vec::new();
    }
    let mut all: Vec<Vec<u64>> = vec![Vec::new()];
    for (r, &n) in region.iter().zip(chunks) {
        let span = (r.start / n) as u64..=((r.end - 1) / n) as u64;
        all = all
            .into_iter()
            .flat_map(|prefix| span.clone().map(move |i| prefix.iter().copied().chain([i]).collect()))
            .collect();
    }
    all
}

/// Describes the groups above an array at `component` within the store at `root`, where they are not described yet.
pub fn create_groups(root: impl AsRef<Path>, component: &str, version: ZarrVersion) -> Result<(), IoError> {
    let root = root.as_ref();
    let parts: Vec<Component<'_>> = Path::new(component).components().collect();
    if parts.is_empty() || parts.iter().any(|part| !matches!(part, Component::Normal(_))) {
        let message = format!("component {component:?} is not a path of plain names, such as 'group/array'");
        return Err(IoError::Metadata { path: root.to_path_buf(), message });
    }
    let mut folder = PathBuf::from(root);
    for part in &parts {
        if ["zarr.json", ".zarray"].iter().any(|name| folder.join(name).is_file()) && ZarrArray::open(&folder).is_ok() {
            return Err(IoError::Metadata { path: folder, message: "is a Zarr array and can't hold another".into() });
        }
        fs::create_dir_all(&folder).map_err(IoError::system(&folder, "create the folder"))?;
        let (name, text) = match version {
            ZarrVersion::V2 => (".zgroup", json!({"zarr_format": 2})),
            ZarrVersion::V3 => ("zarr.json", json!({"zarr_format": 3, "node_type": "group", "attributes": {}})),
        };
        let path = folder.join(name);
        if !path.exists() {
            fs::write(&path, format!("{text:#}\n")).map_err(IoError::system(&path, "write it"))?;
        }
        folder.push(part);
    }
    Ok(())
}
