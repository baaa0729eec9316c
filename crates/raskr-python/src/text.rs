//! Text files as Python strings: made straight from the pieces that `raskr-io` reads, decompresses and splits.
// `unsafe` is allowed here: strings are made by the C API from bytes whose form is known, which PyO3 has no safe face for.
#![allow(unsafe_code)]

use std::ffi::{CStr, CString, OsString, c_int};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use parking_lot::Mutex;
use pyo3::exceptions::{
    PyEOFError, PyFileNotFoundError, PyNotImplementedError, PyOSError, PyPermissionError, PyTypeError,
    PyUnicodeDecodeError,
};
use pyo3::ffi;
use pyo3::prelude::*;
use pyo3::pybacked::PyBackedBytes;
use pyo3::types::{PyBytes, PyDict, PyList, PyString};
use raskr_base::TaskError;
use raskr_io::IoError;
use raskr_io::objects::{ObjectFile, StoreOptions};
use raskr_io::text::{
    ByteOrder, Compression, Encoding, Errors, Form, LineReader, Lines, Newline, Table, TextOptions, TextSource,
    TextWriter,
};

use crate::enter::enter;
use crate::error::to_python;

pub fn register(module: &Bound<'_, PyModule>) -> PyResult<()> {
    module.add_class::<TextFile>()?;
    module.add_class::<TextReader>()?;
    module.add_function(wrap_pyfunction!(text_write, module)?)
}

fn named(path: &Path) -> OsString {
    path.as_os_str().to_owned()
}

/// The system's reason without its number, which Python puts in front.
fn reason_of(error: &io::Error) -> String {
    let reason = error.to_string();
    reason.split(" (os error").next().unwrap_or_default().to_owned()
}

/// The exception that Python's own readers raise in such a case.
fn raise(py: Python<'_>, error: IoError) -> PyErr {
    match &error {
        IoError::Missing { path } => PyFileNotFoundError::new_err((2, "No such file or directory", named(path))),
        IoError::System { path, source, .. } => match source.raw_os_error() {
            Some(number) => PyOSError::new_err((number, reason_of(source), named(path))),
            None => PyOSError::new_err(error.to_string()),
        },
        IoError::Denied { .. } => PyPermissionError::new_err(error.to_string()),
        IoError::Truncated { .. } => PyEOFError::new_err(error.to_string()),
        IoError::Undecodable { path, encoding, offset, bytes, reason } => {
            let reason = format!("{reason}, at byte {offset} of the text of {}", path.display());
            let arguments = (encoding, PyBytes::new(py, bytes), 0, bytes.len(), reason);
            match py.get_type::<PyUnicodeDecodeError>().call1(arguments) {
                Ok(exception) => PyErr::from_value(exception),
                Err(other) => other,
            }
        }
        _ => to_python(py, TaskError::from(error)),
    }
}

/// Does `work` with the interpreter released.
pub fn released<T: Send>(py: Python<'_>, work: impl FnOnce() -> Result<T, IoError> + Send) -> PyResult<T> {
    enter(py, || Ok(work()))?.map_err(|error| raise(py, error))
}

/// The encoding of this name if it is native: Unicode's own, and those of one byte for each character, whose tables
/// Python's codecs hold.
fn encoding_of(py: Python<'_>, name: &str) -> PyResult<Option<Encoding>> {
    let name: String = py.import("codecs")?.call_method1("lookup", (name,))?.getattr("name")?.extract()?;
    Ok(Some(match name.as_str() {
        "utf-8" => Encoding::Utf8,
        "utf-8-sig" => Encoding::Utf8Signature,
        "iso8859-1" => Encoding::Latin1,
        "ascii" => Encoding::Table(Arc::new(Table::ascii())),
        "utf-16" => Encoding::Utf16(ByteOrder::Marked),
        "utf-16-le" => Encoding::Utf16(ByteOrder::Little),
        "utf-16-be" => Encoding::Utf16(ByteOrder::Big),
        "utf-32" => Encoding::Utf32(ByteOrder::Marked),
        "utf-32-le" => Encoding::Utf32(ByteOrder::Little),
        "utf-32-be" => Encoding::Utf32(ByteOrder::Big),
        other => {
            let module = match py.import(format!("encodings.{}", other.replace('-', "_"))) {
                Ok(module) => module,
                Err(_) => return Ok(None),
            };
            let Ok(table) = module.getattr("decoding_table") else { return Ok(None) };
            let Ok(table) = table.extract::<String>() else { return Ok(None) };
            let mut characters = Box::new([None; 256]);
            for (slot, character) in characters.iter_mut().zip(table.chars()) {
                // How these tables say that a byte stands for nothing.
                *slot = (character != '\u{fffe}').then_some(character);
            }
            Encoding::Table(Arc::new(Table::new(other, characters)))
        }
    }))
}

fn errors_of(encoding: &Encoding, errors: &str) -> Option<Errors> {
    let utf8 = matches!(encoding, Encoding::Utf8 | Encoding::Utf8Signature);
    let found = match errors {
        "strict" => Errors::Strict,
        "ignore" => Errors::Ignore,
        // Python decodes the lines one by one, so that any handler of errors will do.
        _ if utf8 => Errors::Caller,
        "replace" => Errors::Replace,
        _ => return matches!(encoding, Encoding::Latin1).then_some(Errors::Strict),
    };
    encoding.supports(found).then_some(found)
}

fn compression_of(name: Option<&str>) -> PyResult<Option<Compression>> {
    let unknown = |name| PyNotImplementedError::new_err(format!("compression {name:?} is not native"));
    name.map(|name| Compression::from_name(name).ok_or_else(|| unknown(name))).transpose()
}

/// A file of text, here or in an object store if `objects` are its options, or bytes that were fetched before, and how they are to be read.
#[pyclass(frozen, module = "raskr._core")]
pub struct TextFile {
    pub source: TextSource,
    pub options: TextOptions,
    /// What Python's decoder of lines is to do about errors.
    handler: CString,
    /// What it was made with, by Python's names, as far as that is not told by the source.
    compression: Option<String>,
    bounds: (Option<u64>, Option<u64>),
    newline: Option<String>,
    encoding: String,
}

#[pymethods]
impl TextFile {
    #[new]
    #[pyo3(signature = (
        path, *, data=None, objects=None, compression=None, start=None, length=None, newline=None, encoding="utf-8",
        errors="strict", threads=1,
    ))]
    #[allow(clippy::too_many_arguments)]
    fn new(
        py: Python<'_>,
        path: PathBuf,
        data: Option<PyBackedBytes>,
        objects: Option<StoreOptions>,
        compression: Option<&str>,
        start: Option<u64>,
        length: Option<u64>,
        newline: Option<String>,
        encoding: &str,
        errors: &str,
        threads: usize,
    ) -> PyResult<TextFile> {
        let native = encoding_of(py, encoding)?.and_then(|found| Some((errors_of(&found, errors)?, found)));
        let Some((found_errors, found)) = native else {
            let message = format!("encoding {encoding:?} with errors={errors:?} is not native");
            return Err(PyNotImplementedError::new_err(message));
        };
        let first = start.unwrap_or(0);
        let (bounds, given) = ((start, length), newline.clone());
        let region = (start.is_some() || length.is_some())
            .then(|| first..length.map_or(u64::MAX, |length| first.saturating_add(length)));
        let newline = match newline {
            None => Newline::Universal { translate: true },
            Some(text) if text.is_empty() => Newline::Universal { translate: false },
            Some(text) => Newline::Text(text),
        };
        let source = match (data, objects) {
            (None, None) => TextSource::File(path),
            (None, Some(options)) => {
                let url = path.to_string_lossy();
                TextSource::Object(released(py, || ObjectFile::find(&url, &options))?)
            }
            (Some(bytes), _) => TextSource::Bytes { name: path, bytes: Arc::new(bytes) },
        };
        let (named, encoding) = (compression.map(str::to_owned), encoding.to_owned());
        let compression = compression_of(compression)?;
        let options = TextOptions { compression, encoding: found, errors: found_errors, newline, region, threads };
        let handler = CString::new(errors)?;
        Ok(TextFile { source, options, handler, compression: named, bounds, newline: given, encoding })
    }

    /// What pickling passes on to make it again.
    fn __getnewargs_ex__<'py>(&self, py: Python<'py>) -> PyResult<((OsString,), Bound<'py, PyDict>)> {
        let given = PyDict::new(py);
        match &self.source {
            TextSource::File(_) => {}
            TextSource::Object(file) => given.set_item("objects", file.options())?,
            TextSource::Bytes { bytes, .. } => given.set_item("data", PyBytes::new(py, (**bytes).as_ref()))?,
        }
        given.set_item("compression", &self.compression)?;
        given.set_item("start", self.bounds.0)?;
        given.set_item("length", self.bounds.1)?;
        given.set_item("newline", &self.newline)?;
        given.set_item("encoding", &self.encoding)?;
        given.set_item("errors", self.handler.to_string_lossy())?;
        given.set_item("threads", self.options.threads)?;
        // As text: Python's paths would shorten a URL's.
        Ok(((named(self.source.path()),), given))
    }

    /// All lines.
    fn lines<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyList>> {
        let mut reader = released(py, || LineReader::open(&self.source, &self.options))?;
        let mut all = Vec::new();
        while let Some(lines) = released(py, || reader.next_lines())? {
            strings(py, &lines, &self.handler, &mut all)?;
        }
        PyList::new(py, all)
    }

    /// The number of lines; no string is made.
    fn count(&self, py: Python<'_>) -> PyResult<u64> {
        released(py, || LineReader::count(&self.source, &self.options))
    }

    /// The uncompressed bytes of the file or of the region; the encoding tells where it is cut, but nothing is decoded.
    fn read<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyBytes>> {
        let bytes = released(py, || LineReader::read(&self.source, &self.options))?;
        Ok(PyBytes::new(py, &bytes))
    }

    /// Lists of lines, each of a piece of the file.
    fn __iter__(&self, py: Python<'_>) -> PyResult<TextReader> {
        let reader = released(py, || LineReader::open(&self.source, &self.options))?;
        Ok(TextReader { reader: Mutex::new(reader), handler: self.handler.clone() })
    }
}

/// The lines of a [`TextFile`], piece by piece.
#[pyclass(module = "raskr._core")]
pub struct TextReader {
    // Never locked: a class of Python's has to be fit for sharing, and the reader by itself is not.
    reader: Mutex<LineReader>,
    handler: CString,
}

#[pymethods]
impl TextReader {
    fn __iter__(slf: PyRef<'_, Self>) -> PyRef<'_, Self> {
        slf
    }

    fn __next__<'py>(&mut self, py: Python<'py>) -> PyResult<Option<Bound<'py, PyList>>> {
        let reader = self.reader.get_mut();
        let Some(lines) = released(py, || reader.next_lines())? else { return Ok(None) };
        let mut all = Vec::with_capacity(lines.len());
        strings(py, &lines, &self.handler, &mut all)?;
        PyList::new(py, all).map(Some)
    }
}

/// Appends one string for each line.
fn strings<'py>(py: Python<'py>, lines: &Lines<'_>, handler: &CStr, out: &mut Vec<Bound<'py, PyAny>>) -> PyResult<()> {
    out.reserve(lines.len());
    for line in lines.iter() {
        let (start, length) = (line.as_ptr(), line.len() as ffi::Py_ssize_t);
        // SAFETY: the interpreter is held; `start` and `length` are those of a slice, and `handler` ends with a zero.
        // ASCII and Latin-1 are what strings of one byte per character hold. The result is a new reference or null
        // with an exception set.
        let string = unsafe {
            let string = match lines.form {
                Form::Ascii | Form::Latin1 => {
                    ffi::PyUnicode_FromKindAndData(ffi::PyUnicode_1BYTE_KIND as c_int, start.cast(), length)
                }
                Form::Utf8 | Form::Unchecked => ffi::PyUnicode_DecodeUTF8(start.cast(), length, handler.as_ptr()),
            };
            Bound::from_owned_ptr_or_err(py, string)?
        };
        out.push(string);
    }
    Ok(())
}

/// Writes strings (as UTF-8) or bytes, with a newline between any two and, if `last_newline`, behind the last. The file
/// takes its name when it is whole.
#[pyfunction]
#[pyo3(signature = (path, lines, *, compression=None, last_newline=false))]
fn text_write(
    py: Python<'_>,
    path: PathBuf,
    lines: &Bound<'_, PyAny>,
    compression: Option<&str>,
    last_newline: bool,
) -> PyResult<()> {
    const PIECE: usize = 256 << 10;
    let compression = compression_of(compression)?;
    let mut writer = released(py, || TextWriter::create(&path, compression))?;
    let mut piece = Vec::new();
    let mut any = false;
    for line in lines.try_iter()? {
        let line = line?;
        if any {
            piece.push(b'\n');
        }
        any = true;
        if let Ok(bytes) = line.cast::<PyBytes>() {
            piece.extend_from_slice(bytes.as_bytes());
        } else if let Ok(text) = line.cast::<PyString>() {
            piece.extend_from_slice(text.to_str()?.as_bytes());
        } else {
            let (class, shown) = (line.get_type().name()?, line.repr()?.to_string());
            let shown: String = shown.chars().take(80).collect();
            let message = format!("only str and bytes can be written as lines, got {class}: {shown}");
            return Err(PyTypeError::new_err(message));
        }
        if piece.len() >= PIECE {
            released(py, || writer.write(&piece))?;
            piece.clear();
        }
    }
    if any && last_newline {
        piece.push(b'\n');
    }
    released(py, || {
        writer.write(&piece)?;
        writer.finish()
    })
}
