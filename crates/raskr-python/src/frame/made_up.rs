//! Made-up rows for Python: what columns are made of, plans that read them, and their way to other processes.

use std::sync::Arc;

use numpy::IntoPyArray;
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use raskr_base::{DType, TaskContext};
use raskr_frame::arrow::array::Array;
use raskr_frame::arrow::datatypes::SchemaRef;
use raskr_frame::{Batches, Drawn, FrameError, MadeUp, MadeUpColumn, MadeUpPart, MadeUpValues, PartitionReader, Plan};
use raskr_kernels::random::{RandomSource, derive_key};
use serde_bytes::ByteBuf;

use super::expr::data_type;
use super::plan::FramePlan;
use super::reader::ReaderBytes;
use crate::array::build::distribution_of;
use crate::error::to_python;

pub fn register(module: &Bound<'_, PyModule>) -> PyResult<()> {
    module.add_class::<MadeUpSource>()
}

/// Random values for the rows of a column, the same for the same seed and label.
#[pyclass(frozen, module = "raskr._core")]
pub struct MadeUpSource {
    values: MadeUpValues,
}

/// The key of what a seed gives under a label, which stand one behind the other with their lengths.
fn key_of(mut seed: Vec<u32>, label: &str) -> [u64; 2] {
    let length = seed.len() as u32;
    seed.insert(0, length);
    let word = |bytes: &[u8]| bytes.iter().rev().fold(0, |word, &byte| word << 8 | u32::from(byte));
    seed.extend(label.as_bytes().chunks(4).map(word));
    derive_key(&seed, label.len() as u64)
}

#[pymethods]
impl MadeUpSource {
    /// Numbers of the distribution that NumPy's method of this name has; truncated if `whole`. `seed` are digits of 32 bits.
    #[staticmethod]
    fn numbers(
        seed: Vec<u32>,
        label: &str,
        distribution: &str,
        params: Vec<Bound<'_, PyAny>>,
        whole: bool,
    ) -> PyResult<MadeUpSource> {
        let dtype = if whole { DType::I64 } else { DType::F64 };
        let source = RandomSource::new(key_of(seed, label), distribution_of(distribution, &params, dtype)?);
        source.validate().map_err(|error| PyValueError::new_err(error.to_string()))?;
        Ok(MadeUpSource { values: MadeUpValues::Numbers { source, whole } })
    }

    /// Some of these texts, of which None is a missing one.
    #[staticmethod]
    fn texts(seed: Vec<u32>, label: &str, texts: Vec<Option<String>>) -> MadeUpSource {
        MadeUpSource { values: MadeUpValues::Texts { key: key_of(seed, label), texts } }
    }

    /// Texts of so many letters.
    #[staticmethod]
    fn letters(seed: Vec<u32>, label: &str, length: usize) -> MadeUpSource {
        MadeUpSource { values: MadeUpValues::Letters { key: key_of(seed, label), length } }
    }

    /// The values of rows from number `first` on: an array of numbers, of which of the texts, or a list of texts of letters.
    fn values<'py>(&self, py: Python<'py>, first: u64, rows: usize) -> PyResult<Bound<'py, PyAny>> {
        Ok(match py.detach(|| self.values.drawn(first, rows)) {
            Drawn::Floats(values) => values.into_pyarray(py).into_any(),
            Drawn::Integers(values) => values.into_pyarray(py).into_any(),
            Drawn::Texts(texts) => {
                (0..texts.len()).map(|row| texts.value(row)).collect::<Vec<_>>().into_pyobject(py)?
            }
        })
    }
}

#[pymethods]
impl FramePlan {
    /// Made-up rows. `columns` are names, types and sources, of which None is the one that grows by steps; `parts` are, of each
    /// partition, the number of its first row, its rows, and where and by how much steps go on.
    #[staticmethod]
    fn made_up(
        py: Python<'_>,
        name: String,
        columns: Vec<(String, String, Option<Py<MadeUpSource>>)>,
        parts: Vec<(u64, u64, i64, i64)>,
    ) -> PyResult<FramePlan> {
        let columns = columns.into_iter().map(|(name, kind, source)| {
            let values = source.map_or(MadeUpValues::Steps, |source| source.get().values.clone());
            Ok(MadeUpColumn { name, data_type: data_type(&kind)?, values })
        });
        let columns = columns.collect::<PyResult<Vec<_>>>()?;
        let parts = parts.into_iter().map(|(first, rows, start, step)| MadeUpPart { first, rows, start, step });
        let made = MadeUp::new(name, columns, parts.collect()).map_err(|error| to_python(py, error.into()))?;
        Ok(FramePlan { plan: Plan::read(MadeUpReader::new(made)) })
    }
}

/// Made-up rows that know how readers are encoded here.
pub struct MadeUpReader(Arc<MadeUp>);

impl MadeUpReader {
    pub fn new(made: Arc<MadeUp>) -> Arc<MadeUpReader> {
        Arc::new(MadeUpReader(made))
    }
}

impl PartitionReader for MadeUpReader {
    fn name(&self) -> &str {
        self.0.name()
    }

    fn schema(&self) -> SchemaRef {
        self.0.schema()
    }

    fn partitions(&self) -> u32 {
        self.0.partitions()
    }

    fn read(&self, partition: u32, columns: &[usize], context: &TaskContext<'_>) -> Result<Batches, FrameError> {
        self.0.read(partition, columns, context)
    }

    fn travels(&self) -> bool {
        self.0.travels()
    }

    fn encoded(&self) -> Result<Vec<u8>, FrameError> {
        ReaderBytes::MadeUp(ByteBuf::from(self.0.encoded()?)).encoded()
    }

    fn estimate(&self, partition: u32) -> u64 {
        self.0.estimate(partition)
    }
}
