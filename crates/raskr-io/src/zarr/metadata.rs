//! The JSON that describes a Zarr array: read into what raskr needs to know of it, and written for new arrays.

use std::fs;
use std::path::Path;

use raskr_base::{DType, TimeUnit};
use serde_json::{Value as Json, json};

use crate::descr;
use crate::error::IoError;

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ZarrVersion {
    V2,
    V3,
}

impl ZarrVersion {
    /// The file that describes an array.
    pub(super) fn array_file(self) -> &'static str {
        match self {
            ZarrVersion::V2 => ".zarray",
            ZarrVersion::V3 => "zarr.json",
        }
    }
}

/// How the chunks of a new array are compressed.
#[derive(Clone, PartialEq, Debug)]
pub enum Compressor {
    None,
    Zstd {
        level: i32,
    },
    Gzip {
        level: u32,
    },
    /// `name` is one of `lz4`, `lz4hc`, `blosclz`, `zstd`, `zlib`.
    Blosc {
        name: String,
        level: u32,
        shuffle: bool,
    },
}

/// What a new array is to be.
#[derive(Clone, Debug)]
pub struct ZarrSpec {
    pub shape: Vec<usize>,
    /// Lengths of one chunk, the same everywhere; at least 1 each.
    pub chunks: Vec<usize>,
    pub dtype: DType,
    pub version: ZarrVersion,
    pub compressor: Compressor,
}

/// What is known of an array before any chunk is read.
pub(super) struct Known {
    pub version: ZarrVersion,
    pub dtype: DType,
    pub shape: Vec<usize>,
    pub chunks: Vec<usize>,
    /// The metadata as the chunk reader is to see it: dates are integers there.
    pub plain: Json,
    /// Are chunks stored as row-major elements in this machine's byte order, and nothing else?
    pub raw: bool,
}

/// Reads the description of the array in a folder.
pub(super) fn read(folder: &Path) -> Result<Known, IoError> {
    for version in [ZarrVersion::V3, ZarrVersion::V2] {
        let path = folder.join(version.array_file());
        match fs::read_to_string(&path) {
            Ok(text) => {
                let damaged = |message: String| IoError::Metadata { path: path.clone(), message };
                let json: Json = serde_json::from_str(&text).map_err(|error| damaged(error.to_string()))?;
                return match version {
                    ZarrVersion::V2 => read_v2(&path, json),
                    ZarrVersion::V3 => read_v3(&path, folder, json),
                };
            }
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
            Err(error) => return Err(IoError::system(&path, "read it")(error)),
        }
    }
    if folder.join(".zgroup").is_file() {
        return Err(group(folder));
    }
    if folder.is_file() {
        let message = "is a file; Zarr arrays are read from folders".to_string();
        return Err(IoError::Unsupported { path: folder.to_path_buf(), message });
    }
    if !folder.exists() {
        return Err(IoError::Missing { path: folder.to_path_buf() });
    }
    let message = "holds no Zarr array: there is neither .zarray (version 2) nor zarr.json (version 3)".to_string();
    Err(IoError::Metadata { path: folder.to_path_buf(), message })
}

fn group(folder: &Path) -> IoError {
    let mut members: Vec<String> = fs::read_dir(folder)
        .into_iter()
        .flatten()
        .flatten()
        .filter(|entry| entry.path().is_dir())
        .map(|entry| entry.file_name().to_string_lossy().into_owned())
        .filter(|name| !name.starts_with('.'))
        .collect();
    members.sort();
    let message =
        format!("is a Zarr group, not an array: name one of its members as component: {}", members.join(", "));
    IoError::Metadata { path: folder.to_path_buf(), message }
}

fn field<'a>(path: &Path, json: &'a Json, name: &str) -> Result<&'a Json, IoError> {
    json.get(name)
        .ok_or_else(|| IoError::Metadata { path: path.to_path_buf(), message: format!("there is no field {name:?}") })
}

/// A list of lengths, one per axis.
fn lengths(path: &Path, json: Option<&Json>, name: &str) -> Result<Vec<usize>, IoError> {
    let numbers = json.and_then(Json::as_array);
    let found: Option<Vec<usize>> =
        numbers.and_then(|all| all.iter().map(|n| n.as_u64().and_then(|n| usize::try_from(n).ok())).collect());
    found.ok_or_else(|| {
        let found = json.map_or("nothing".to_string(), Json::to_string);
        let message = format!("{name}: expected a list of lengths, found {found}");
        IoError::Metadata { path: path.to_path_buf(), message }
    })
}

/// Shape and chunks, checked against each other.
fn layout(path: &Path, json: &Json, chunks: Option<&Json>, name: &str) -> Result<(Vec<usize>, Vec<usize>), IoError> {
    let shape = lengths(path, json.get("shape"), "shape")?;
    let chunks = lengths(path, chunks, name)?;
    if shape.len() != chunks.len() || chunks.contains(&0) {
        let message = format!("{name}: {chunks:?} does not divide an array of shape {shape:?}");
        return Err(IoError::Metadata { path: path.to_path_buf(), message });
    }
    Ok((shape, chunks))
}

fn read_v2(path: &Path, mut json: Json) -> Result<Known, IoError> {
    let named = field(path, &json, "dtype")?;
    let parsed = named.as_str().and_then(descr::parse);
    let filters = json.get("filters").is_some_and(|f| f.as_array().is_some_and(|f| !f.is_empty()));
    let Some((dtype, order)) = parsed else {
        return Err(IoError::DType { path: path.to_path_buf(), what: format!("type {named}") });
    };
    let (shape, chunks) = layout(path, &json, json.get("chunks"), "chunks")?;
    let raw = order == descr::Order::Native
        && json.get("compressor").is_none_or(Json::is_null)
        && !filters
        && json.get("order").and_then(Json::as_str) == Some("C");
    if dtype.is_time()
        && let Some(name) = named.as_str()
    {
        json["dtype"] = Json::from(format!("{}i8", &name[..1]));
        json["fill_value"] = time_fill(json.get("fill_value"));
    }
    Ok(Known { version: ZarrVersion::V2, dtype, shape, chunks, plain: json, raw })
}

fn time_fill(fill: Option<&Json>) -> Json {
    match fill {
        Some(Json::Number(number)) => Json::Number(number.clone()),
        _ => Json::from(i64::MIN),
    }
}

fn read_v3(path: &Path, folder: &Path, mut json: Json) -> Result<Known, IoError> {
    if json.get("node_type").and_then(Json::as_str) == Some("group") {
        return Err(group(folder));
    }
    let named = field(path, &json, "data_type")?.clone();
    let Some(dtype) = dtype_v3(&named) else {
        return Err(IoError::DType { path: path.to_path_buf(), what: format!("type {named}") });
    };
    let grid = json.get("chunk_grid");
    let kind = grid.and_then(|grid| grid.get("name")).and_then(Json::as_str);
    if let Some(kind) = kind.filter(|kind| *kind != "regular") {
        let message = format!("its chunk grid is {kind:?}; raskr reads regular ones");
        return Err(IoError::Unsupported { path: path.to_path_buf(), message });
    }
    let chunks = grid.and_then(|grid| grid.pointer("/configuration/chunk_shape"));
    let (shape, chunks) = layout(path, &json, chunks, "chunk_shape")?;
    if dtype.is_time() {
        json["data_type"] = Json::from("int64");
        json["fill_value"] = time_fill(json.get("fill_value"));
    }
    let raw = match json.get("codecs").and_then(Json::as_array).map(Vec::as_slice) {
        Some([only]) => {
            let name = only.get("name").unwrap_or(only).as_str();
            let little = only.pointer("/configuration/endian").and_then(Json::as_str) != Some("big");
            name == Some("bytes") && (dtype.itemsize() == 1 || little == cfg!(target_endian = "little"))
        }
        _ => false,
    };
    Ok(Known { version: ZarrVersion::V3, dtype, shape, chunks, plain: json, raw })
}

fn dtype_v3(named: &Json) -> Option<DType> {
    let name = named.get("name").unwrap_or(named).as_str()?;
    Some(match name {
        "bool" => DType::Bool,
        "int8" => DType::I8,
        "int16" => DType::I16,
        "int32" => DType::I32,
        "int64" => DType::I64,
        "uint8" => DType::U8,
        "uint16" => DType::U16,
        "uint32" => DType::U32,
        "uint64" => DType::U64,
        "float16" => DType::F16,
        "float32" => DType::F32,
        "float64" => DType::F64,
        "complex64" => DType::C64,
        "complex128" => DType::C128,
        "numpy.datetime64" | "numpy.timedelta64" => {
            let code = named.pointer("/configuration/unit")?.as_str()?;
            let unit = TimeUnit::from_code(if code == "generic" { "" } else { code })?;
            if named.pointer("/configuration/scale_factor").is_some_and(|factor| factor.as_u64() != Some(1)) {
                return None;
            }
            if name == "numpy.datetime64" { DType::DateTime(unit) } else { DType::TimeDelta(unit) }
        }
        _ => return None,
    })
}

impl ZarrSpec {
    /// The description of the new array, as its metadata file holds it.
    pub(super) fn metadata(&self) -> Json {
        match self.version {
            ZarrVersion::V2 => self.metadata_v2(),
            ZarrVersion::V3 => self.metadata_v3(),
        }
    }

    fn zero(&self) -> Json {
        match self.dtype {
            DType::Bool => json!(false),
            DType::F16 | DType::F32 | DType::F64 => json!(0.0),
            DType::C64 | DType::C128 => json!([0.0, 0.0]),
            _ => json!(0),
        }
    }

    fn metadata_v2(&self) -> Json {
        let compressor = match &self.compressor {
            Compressor::None => Json::Null,
            Compressor::Zstd { level } => json!({"id": "zstd", "level": level}),
            Compressor::Gzip { level } => json!({"id": "gzip", "level": level}),
            Compressor::Blosc { name, level, shuffle } => {
                json!({"id": "blosc", "cname": name, "clevel": level, "shuffle": i32::from(*shuffle), "blocksize": 0})
            }
        };
        json!({
            "zarr_format": 2,
            "shape": self.shape,
            "chunks": self.chunks,
            "dtype": descr::name(self.dtype),
            "compressor": compressor,
            "fill_value": self.zero(),
            "order": "C",
            "filters": null,
            "dimension_separator": ".",
        })
    }

    fn metadata_v3(&self) -> Json {
        let endian = if cfg!(target_endian = "little") { "little" } else { "big" };
        let mut codecs = vec![match self.dtype.itemsize() {
            1 => json!({"name": "bytes"}),
            _ => json!({"name": "bytes", "configuration": {"endian": endian}}),
        }];
        match &self.compressor {
            Compressor::None => {}
            Compressor::Zstd { level } => {
                codecs.push(json!({"name": "zstd", "configuration": {"level": level, "checksum": false}}));
            }
            Compressor::Gzip { level } => codecs.push(json!({"name": "gzip", "configuration": {"level": level}})),
            Compressor::Blosc { name, level, shuffle } => codecs.push(json!({"name": "blosc", "configuration": {
                "cname": name, "clevel": level, "shuffle": if *shuffle { "shuffle" } else { "noshuffle" },
                "typesize": self.dtype.itemsize(), "blocksize": 0,
            }})),
        }
        let timed = |name: &str, unit: TimeUnit| {
            let unit = if unit == TimeUnit::Generic { "generic" } else { unit.code() };
            json!({"name": name, "configuration": {"unit": unit, "scale_factor": 1}})
        };
        let dtype = match self.dtype {
            DType::DateTime(unit) => timed("numpy.datetime64", unit),
            DType::TimeDelta(unit) => timed("numpy.timedelta64", unit),
            other => json!(other.to_string()),
        };
        json!({
            "zarr_format": 3,
            "node_type": "array",
            "shape": self.shape,
            "data_type": dtype,
            "chunk_grid": {"name": "regular", "configuration": {"chunk_shape": self.chunks}},
            "chunk_key_encoding": {"name": "default", "configuration": {"separator": "/"}},
            "fill_value": self.zero(),
            "codecs": codecs,
            "attributes": {},
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn known(version: ZarrVersion, json: &Json) -> Result<Known, IoError> {
        let folder = tempfile::tempdir().expect("folder");
        fs::write(folder.path().join(version.array_file()), json.to_string()).expect("write");
        read(folder.path())
    }

    #[test]
    fn own_descriptions_are_understood() {
        let timed = TimeUnit::ALL.into_iter().flat_map(|unit| [DType::DateTime(unit), DType::TimeDelta(unit)]);
        for dtype in [DType::Bool, DType::U8, DType::F16, DType::I64, DType::C64].into_iter().chain(timed) {
            for version in [ZarrVersion::V2, ZarrVersion::V3] {
                for (compressor, raw) in [(Compressor::None, true), (Compressor::Gzip { level: 1 }, false)] {
                    let spec = ZarrSpec { shape: vec![3], chunks: vec![2], dtype, version, compressor };
                    let found = known(version, &spec.metadata()).expect("own description");
                    assert_eq!((found.version, found.dtype, found.raw), (version, dtype, raw));
                }
            }
        }
    }

    #[test]
    fn foreign_types_and_layouts_are_told_apart() {
        let v2 = |dtype: &str, order: &str| json!({"zarr_format": 2, "shape": [3], "chunks": [2], "dtype": dtype, "compressor": null, "order": order, "fill_value": 0});
        assert!(!known(ZarrVersion::V2, &v2("<f4", "F")).expect("column-major").raw);
        assert!(!known(ZarrVersion::V2, &v2(">f4", "C")).expect("swapped").raw);
        let error = known(ZarrVersion::V2, &v2("|O", "C")).err().expect("objects").to_string();
        assert!(error.contains("type \"|O\" is not one of raskr's native types"), "{error}");
        let v3 = |grid: &str| json!({"data_type": "int8", "shape": [3], "chunk_grid": {"name": grid, "configuration": {"chunk_shape": [2]}}});
        assert!(!known(ZarrVersion::V3, &v3("regular")).expect("no codecs named").raw);
        assert!(matches!(known(ZarrVersion::V3, &v3("rectangular")), Err(IoError::Unsupported { .. })));
        let mut uneven = v2("<f4", "C");
        uneven["chunks"] = json!([2, 0]);
        let error = known(ZarrVersion::V2, &uneven).err().expect("chunks").to_string();
        assert!(error.ends_with(".zarray: chunks: [2, 0] does not divide an array of shape [3]"), "{error}");
        let scaled =
            json!({"data_type": {"name": "numpy.datetime64", "configuration": {"unit": "s", "scale_factor": 10}}});
        assert!(matches!(known(ZarrVersion::V3, &scaled), Err(IoError::DType { .. })));
        assert!(matches!(known(ZarrVersion::V3, &json!({})), Err(IoError::Metadata { .. })));
    }

    #[test]
    fn what_is_no_array_is_told_so() {
        let folder = tempfile::tempdir().expect("folder");
        let error = |path: &Path| read(path).err().expect("no array").to_string();
        assert!(error(&folder.path().join("x")).ends_with("x: no such file or folder"));
        assert!(error(folder.path()).contains("holds no Zarr array"));
        fs::write(folder.path().join(".zgroup"), "{}").expect("write");
        fs::create_dir(folder.path().join("temperature")).expect("create");
        assert!(error(folder.path()).ends_with("name one of its members as component: temperature"));
        fs::write(folder.path().join("zarr.json"), "{").expect("write");
        assert!(error(folder.path()).contains("zarr.json: EOF while parsing"));
    }
}
