//! Constructors of sorts and of the native functions of blocks that sorting is made of.

use std::sync::Arc;

use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyTuple};
use raskr_array::ops::ordering::Ordering;
use raskr_kernels::blocks::{QuantileMethod, Side};

use super::build::derived;
use super::expr::{PyExpr, raise};

#[pymethods]
impl PyExpr {
    /// An array of one dimension sorted across its blocks, or the positions that sort it.
    fn sample_sort<'py>(slf: &Bound<'py, Self>, positions: bool) -> PyResult<PyExpr> {
        let py = slf.py();
        let expr = slf.get().expr().sample_sort(positions).map_err(|error| raise(py, error))?;
        derived(slf, expr, "sample_sort", (positions,).into_pyobject(py)?)
    }
}

/// A native function of blocks, which `blockwise` and `group_blocks` take in place of a Python function.
#[pyclass(frozen, name = "OrderFunction", module = "raskr._core")]
pub struct OrderFunction {
    pub function: Arc<Ordering>,
    name: String,
    options: Py<PyDict>,
}

/// An option of a function, of the type that is asked for.
macro_rules! option {
    ($options:ident, $name:literal) => {
        match $options.get_item($name)? {
            Some(value) => value.extract()?,
            None => return Err(PyValueError::new_err(concat!("a function of order lacks its option ", $name))),
        }
    };
}

fn text(options: &Bound<'_, PyDict>, name: &str) -> PyResult<String> {
    match options.get_item(name)? {
        Some(value) => value.extract(),
        None => Err(PyValueError::new_err(format!("a function of order lacks its option {name}"))),
    }
}

fn method_of(name: &str) -> PyResult<QuantileMethod> {
    Ok(match name {
        "linear" => QuantileMethod::Linear,
        "lower" => QuantileMethod::Lower,
        "higher" => QuantileMethod::Higher,
        "midpoint" => QuantileMethod::Midpoint,
        "nearest" => QuantileMethod::Nearest,
        _ => return Err(PyValueError::new_err(format!("no native quantile by the method {name:?}"))),
    })
}

fn side_of(name: &str) -> PyResult<Side> {
    match name {
        "left" => Ok(Side::Left),
        "right" => Ok(Side::Right),
        _ => Err(PyValueError::new_err(format!("expected the side 'left' or 'right', got {name:?}"))),
    }
}

#[pymethods]
impl OrderFunction {
    #[new]
    fn new(name: String, options: &Bound<'_, PyDict>) -> PyResult<OrderFunction> {
        let function = match name.as_str() {
            "sort" => Ordering::Sort { axis: option!(options, "axis") },
            "argsort" => Ordering::Argsort { axis: option!(options, "axis") },
            "partition" => Ordering::Partition { axis: option!(options, "axis"), places: option!(options, "places") },
            "argpartition" => {
                Ordering::Argpartition { axis: option!(options, "axis"), places: option!(options, "places") }
            }
            "median" => Ordering::Median {
                axes: option!(options, "axes"),
                skip_nan: option!(options, "skip_nan"),
                keep: option!(options, "keep"),
            },
            "quantile" => Ordering::Quantile {
                axes: option!(options, "axes"),
                points: option!(options, "points"),
                single: option!(options, "single"),
                method: method_of(&text(options, "method")?)?,
                skip_nan: option!(options, "skip_nan"),
                keep: option!(options, "keep"),
            },
            "searchsorted" => Ordering::SearchSorted {
                side: side_of(&text(options, "side")?)?,
                added_axis: option!(options, "added_axis"),
            },
            "isin" => Ordering::IsIn { invert: option!(options, "invert") },
            "lexsort" => Ordering::Lexsort,
            "top" => Ordering::Top { axis: option!(options, "axis"), k: option!(options, "k") },
            "top_of_block" => Ordering::TopOfBlock {
                axis: option!(options, "axis"),
                k: option!(options, "k"),
                starts: option!(options, "starts"),
            },
            "top_of_parts" => Ordering::TopOfParts {
                axis: option!(options, "axis"),
                k: option!(options, "k"),
                end: option!(options, "end"),
            },
            "unique_of_block" => Ordering::UniqueOfBlock {
                starts: option!(options, "starts"),
                index: option!(options, "index"),
                counts: option!(options, "counts"),
            },
            "unique_of_parts" => Ordering::UniqueOfParts,
            "part" => Ordering::Part { number: option!(options, "number") },
            "inverse" => Ordering::Inverse,
            _ => return Err(PyValueError::new_err(format!("no native function of order is called {name:?}"))),
        };
        Ok(OrderFunction { function: Arc::new(function), name, options: options.clone().unbind() })
    }

    fn __reduce__<'py>(slf: &Bound<'py, Self>) -> PyResult<Bound<'py, PyTuple>> {
        let py = slf.py();
        let this = slf.get();
        (py.get_type::<OrderFunction>(), (&this.name, &this.options)).into_pyobject(py)
    }

    fn __repr__(&self) -> String {
        format!("OrderFunction({:?})", self.name)
    }

    #[getter]
    fn __name__(&self) -> &str {
        &self.name
    }
}
