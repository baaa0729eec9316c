//! Constructors of `Expr`: each reads its arguments, builds the expression below, and remembers how it was made.

use std::sync::Arc;

use pyo3::exceptions::{PyTypeError, PyValueError};
use pyo3::prelude::*;
use pyo3::types::{PyDict, PySlice, PyTuple};
use raskr_array::Expr;
use raskr_array::expr::{BlockArgument, Index};
use raskr_array::function::BlockFunction;
use raskr_array::grid::UNKNOWN;
use raskr_array::index::{Run, resolve_slice};
use raskr_base::{DType, Value};
use raskr_graph::{Call, Input};
use raskr_kernels::program::{OpCode, Scalar, has_op};
use raskr_kernels::random::{Distribution, DistributionKind, RandomSource};

use super::convert::{copied, element_type, native_of, numpy_dtype, numpy_to_chunk};
use super::expr::{PyExpr, axis_of, declared, grid_of, raise};
use super::function::{PyBlockFunction, Slot};
use super::order::OrderFunction;
use crate::error::to_python;
use crate::node::Node;

/// A NumPy or Python number as a constant of the element type, converted as NumPy converts it.
fn scalar_of(value: &Bound<'_, PyAny>, dtype: DType) -> PyResult<Scalar> {
    let py = value.py();
    let numpy = py.import("numpy")?;
    let array = numpy.call_method1("asarray", (value,))?.call_method1("astype", (numpy_dtype(py, dtype)?,))?;
    if array.getattr("size")?.extract::<usize>()? != 1 {
        return Err(PyValueError::new_err(format!("expected one value, got {value}")));
    }
    if dtype.is_time() {
        return Ok(Scalar::I64(array.call_method1("view", ("int64",))?.call_method0("item")?.extract()?));
    }
    let item = array.call_method0("item")?;
    Ok(match dtype {
        DType::Bool => Scalar::Bool(item.extract()?),
        dtype if dtype.is_signed_integer() => Scalar::I64(item.extract()?),
        dtype if dtype.is_unsigned_integer() => Scalar::U64(item.extract()?),
        dtype if dtype.is_complex() => Scalar::C128(item.getattr("real")?.extract()?, item.getattr("imag")?.extract()?),
        _ => Scalar::F64(item.extract()?),
    })
}

fn op_code(py: Python<'_>, operation: &str) -> PyResult<OpCode> {
    operation.parse::<OpCode>().map_err(|error| raise(py, error.into()))
}

fn call_of(node: &Bound<'_, Node>) -> Arc<Call> {
    match node.get().input() {
        Input::Call(call) => Arc::clone(call),
        block => super::output::pass(block.clone()),
    }
}

/// A positional or keyword argument that isn't an array; a node adds a call to stand on.
fn slot_of(object: &Bound<'_, PyAny>, extras: &mut Vec<Arc<Call>>) -> Slot {
    match object.cast::<Node>() {
        Ok(node) => {
            extras.push(call_of(node));
            Slot::Extra(extras.len() - 1)
        }
        Err(_) => Slot::Literal(object.clone().unbind()),
    }
}

type Keywords = (Vec<(String, Slot)>, Vec<Arc<Call>>);

fn keywords_of(kwargs: Option<&Bound<'_, PyDict>>, mut extras: Vec<Arc<Call>>) -> PyResult<Keywords> {
    let mut keywords = Vec::new();
    if let Some(kwargs) = kwargs {
        for (name, value) in kwargs.iter() {
            keywords.push((name.extract::<String>()?, slot_of(&value, &mut extras)));
        }
    }
    Ok((keywords, extras))
}

#[pymethods]
impl PyExpr {
    #[staticmethod]
    #[pyo3(signature = (chunks, dtype, value, label="full"))]
    fn full<'py>(
        chunks: &Bound<'py, PyAny>,
        dtype: &Bound<'py, PyAny>,
        value: &Bound<'py, PyAny>,
        label: &str,
    ) -> PyResult<PyExpr> {
        let py = chunks.py();
        let native = native_of(dtype, label)?;
        let expr = Expr::full(grid_of(chunks)?, native, scalar_of(value, native)?, label);
        PyExpr::new(py, expr, "full", (chunks, dtype, value, label).into_pyobject(py)?)
    }

    #[staticmethod]
    #[pyo3(signature = (chunks, dtype, start, step, label="arange"))]
    fn iota<'py>(
        chunks: &Bound<'py, PyAny>,
        dtype: &Bound<'py, PyAny>,
        start: &Bound<'py, PyAny>,
        step: &Bound<'py, PyAny>,
        label: &str,
    ) -> PyResult<PyExpr> {
        let py = chunks.py();
        let native = native_of(dtype, label)?;
        let step_type = match native {
            DType::DateTime(unit) => DType::TimeDelta(unit),
            other => other,
        };
        let expr = Expr::iota(grid_of(chunks)?, native, scalar_of(start, native)?, scalar_of(step, step_type)?, label);
        PyExpr::new(py, expr, "iota", (chunks, dtype, start, step, label).into_pyobject(py)?)
    }

    #[staticmethod]
    fn eye<'py>(chunks: &Bound<'py, PyAny>, dtype: &Bound<'py, PyAny>, k: i64) -> PyResult<PyExpr> {
        let py = chunks.py();
        let expr = Expr::eye(grid_of(chunks)?, native_of(dtype, "eye")?, k).map_err(|error| raise(py, error))?;
        PyExpr::new(py, expr, "eye", (chunks, dtype, k).into_pyobject(py)?)
    }

    #[staticmethod]
    #[pyo3(signature = (array, chunks, name=None, label="array"))]
    fn from_numpy<'py>(
        array: &Bound<'py, PyAny>,
        chunks: &Bound<'py, PyAny>,
        name: Option<&str>,
        label: &str,
    ) -> PyResult<PyExpr> {
        let py = array.py();
        let chunk = match numpy_to_chunk(array)? {
            Some(chunk) => Some(chunk),
            None => copied(array)?,
        };
        let Some(chunk) = chunk else {
            return Err(PyTypeError::new_err(format!(
                "from_array: expected a NumPy array of a native element type, got {} of {}",
                array.get_type().name()?,
                array.getattr("dtype").map(|dtype| dtype.to_string()).unwrap_or_default()
            )));
        };
        let mut expr = Expr::memory(chunk, grid_of(chunks)?, label).map_err(|error| raise(py, error))?;
        if let Some(name) = name {
            expr = Expr::renamed(&expr, name);
        }
        PyExpr::new(py, expr, "from_numpy", (array, chunks, name, label).into_pyobject(py)?)
    }

    #[staticmethod]
    #[pyo3(signature = (distribution, params, chunks, dtype, key, label="random"))]
    fn random<'py>(
        distribution: &str,
        params: Vec<Bound<'py, PyAny>>,
        chunks: &Bound<'py, PyAny>,
        dtype: &Bound<'py, PyAny>,
        key: (u64, u64),
        label: &str,
    ) -> PyResult<PyExpr> {
        let py = chunks.py();
        let (grid, native) = (grid_of(chunks)?, native_of(dtype, distribution)?);
        let words = [key.0, key.1];
        let arrays = params.iter().any(|param| param.is_instance_of::<PyExpr>());
        let expr = if arrays {
            let kind = kind_of(distribution)?;
            let parameters = params
                .iter()
                .map(|param| match param.cast::<PyExpr>() {
                    Ok(expr) => Ok(Arc::clone(expr.get().expr())),
                    Err(_) => Ok(Expr::full(
                        raskr_array::Grid::default(),
                        DType::F64,
                        scalar_of(param, DType::F64)?,
                        "parameter",
                    )),
                })
                .collect::<PyResult<Vec<_>>>()?;
            Expr::random_with(kind, words, parameters, grid, native, label).map_err(|error| raise(py, error))?
        } else {
            let drawn = distribution_of(distribution, &params, native)?;
            let source = RandomSource::new(words, drawn);
            let expr = Expr::random(grid, source, label).map_err(|error| raise(py, error))?;
            expr.cast(native).map_err(|error| raise(py, error))?
        };
        let params = PyTuple::new(py, params)?;
        PyExpr::new(py, expr, "random", (distribution, params, chunks, dtype, key, label).into_pyobject(py)?)
    }

    #[staticmethod]
    #[pyo3(signature = (nodes, chunks, dtype, native, name=None, label="from-delayed"))]
    fn from_nodes<'py>(
        nodes: &Bound<'py, PyAny>,
        chunks: &Bound<'py, PyAny>,
        dtype: &Bound<'py, PyAny>,
        native: bool,
        name: Option<&str>,
        label: &str,
    ) -> PyResult<PyExpr> {
        let py = chunks.py();
        let mut calls = Vec::new();
        for node in nodes.try_iter()? {
            calls.push(call_of(node?.cast::<Node>()?));
        }
        let (element, native) = declared(dtype, native)?;
        let calls = if native { calls.into_iter().map(super::output::as_block).collect() } else { calls };
        let mut expr =
            Expr::from_calls(calls, grid_of(chunks)?, element, native, label).map_err(|error| raise(py, error))?;
        if let Some(name) = name {
            expr = Expr::renamed(&expr, name);
        }
        PyExpr::new(py, expr, "from_nodes", (nodes, chunks, dtype, native, name, label).into_pyobject(py)?)
    }

    /// Blocks that were computed before, in row-major order.
    #[staticmethod]
    #[pyo3(signature = (blocks, chunks, dtype, native, name=None))]
    pub fn from_blocks<'py>(
        blocks: Vec<Bound<'py, PyAny>>,
        chunks: &Bound<'py, PyAny>,
        dtype: &Bound<'py, PyAny>,
        native: bool,
        name: Option<&str>,
    ) -> PyResult<PyExpr> {
        let py = chunks.py();
        let (element, native) = declared(dtype, native)?;
        let values = blocks
            .iter()
            .map(|block| super::convert::block_value(block.clone(), native))
            .collect::<PyResult<Vec<Value>>>()?;
        let mut expr = Expr::stored(values.into(), grid_of(chunks)?, element, native, "persist")
            .map_err(|error| raise(py, error))?;
        if let Some(name) = name {
            expr = Expr::renamed(&expr, name);
        }
        let blocks = PyTuple::new(py, blocks)?;
        PyExpr::new(py, expr, "from_blocks", (blocks, chunks, dtype, native, name).into_pyobject(py)?)
    }

    #[staticmethod]
    #[pyo3(signature = (operation, inputs, dtypes, label=None))]
    fn elementwise<'py>(
        py: Python<'py>,
        operation: &str,
        inputs: Vec<Bound<'py, PyExpr>>,
        dtypes: Vec<Bound<'py, PyAny>>,
        label: Option<&str>,
    ) -> PyResult<PyExpr> {
        let code = op_code(py, operation)?;
        let natives = dtypes.iter().map(|dtype| native_of(dtype, operation)).collect::<PyResult<Vec<_>>>()?;
        let exprs: Vec<Arc<Expr>> = inputs.iter().map(|input| Arc::clone(input.get().expr())).collect();
        let expr =
            Expr::elementwise(code, &exprs, &natives, label.unwrap_or(operation)).map_err(|error| raise(py, error))?;
        let args = (operation, PyTuple::new(py, inputs)?, PyTuple::new(py, dtypes)?, label).into_pyobject(py)?;
        PyExpr::new(py, expr, "elementwise", args)
    }

    /// The result's element type when there is a native loop for these types, else None.
    #[staticmethod]
    fn elementwise_dtype<'py>(
        py: Python<'py>,
        operation: &str,
        dtypes: Vec<Bound<'py, PyAny>>,
    ) -> PyResult<Option<Bound<'py, PyAny>>> {
        let Ok(code) = operation.parse::<OpCode>() else { return Ok(None) };
        let mut natives = Vec::with_capacity(dtypes.len());
        for dtype in &dtypes {
            match element_type(dtype)?.native() {
                Some(native) => natives.push(native),
                None => return Ok(None),
            }
        }
        match has_op(code, &natives) {
            Some(dtype) => Ok(Some(numpy_dtype(py, dtype)?.into_any())),
            None => Ok(None),
        }
    }

    fn astype<'py>(slf: &Bound<'py, Self>, dtype: &Bound<'py, PyAny>) -> PyResult<PyExpr> {
        let py = slf.py();
        let expr = slf.get().expr().cast(native_of(dtype, "astype")?).map_err(|error| raise(py, error))?;
        derived(slf, expr, "astype", (dtype,).into_pyobject(py)?)
    }

    fn view<'py>(slf: &Bound<'py, Self>, index: Vec<Bound<'py, PyAny>>) -> PyResult<PyExpr> {
        let py = slf.py();
        let grid = slf.get().expr().grid();
        let mut axes = grid.axes().iter().enumerate();
        let mut steps = Vec::with_capacity(index.len());
        for entry in &index {
            if entry.is_none() {
                steps.push(Index::New);
                continue;
            }
            let Some((number, axis)) = axes.next() else {
                return Err(PyValueError::new_err(format!("view: more entries than the {} axes", grid.ndim())));
            };
            if let Ok(slice) = entry.cast::<PySlice>() {
                let part = |name: &str| -> PyResult<Option<i64>> { slice.getattr(name)?.extract() };
                let (start, stop, step) = (part("start")?, part("stop")?, part("step")?);
                if start.is_none() && stop.is_none() && matches!(step, None | Some(1)) {
                    steps.push(Index::All);
                    continue;
                }
                if axis.len() == UNKNOWN {
                    return Err(raise(
                        py,
                        raskr_array::ArrayError::UnknownChunks {
                            operation: "getitem",
                            axis: number,
                            sizes: axis.to_string(),
                        },
                    ));
                }
                let run: Run = resolve_slice(start, stop, step, axis.len())
                    .ok_or_else(|| PyValueError::new_err("slice step cannot be zero"))?;
                steps.push(Index::Run(run));
            } else {
                let at: i64 = entry.extract()?;
                steps.push(Index::At(if at < 0 { at + axis.len() as i64 } else { at }));
            }
        }
        let expr = slf.get().expr().index(&steps).map_err(|error| raise(py, error))?;
        derived(slf, expr, "view", (PyTuple::new(py, index)?,).into_pyobject(py)?)
    }

    fn transpose<'py>(slf: &Bound<'py, Self>, axes: Vec<usize>) -> PyResult<PyExpr> {
        let py = slf.py();
        let expr = slf.get().expr().transpose(&axes).map_err(|error| raise(py, error))?;
        derived(slf, expr, "transpose", (PyTuple::new(py, axes)?,).into_pyobject(py)?)
    }

    fn broadcast_to<'py>(slf: &Bound<'py, Self>, chunks: &Bound<'py, PyAny>) -> PyResult<PyExpr> {
        let py = slf.py();
        let expr = slf.get().expr().broadcast_to(grid_of(chunks)?).map_err(|error| raise(py, error))?;
        derived(slf, expr, "broadcast_to", (chunks,).into_pyobject(py)?)
    }

    fn rechunk<'py>(slf: &Bound<'py, Self>, chunks: &Bound<'py, PyAny>) -> PyResult<PyExpr> {
        let py = slf.py();
        let expr = slf.get().expr().rechunk(grid_of(chunks)?).map_err(|error| raise(py, error))?;
        derived(slf, expr, "rechunk", (chunks,).into_pyobject(py)?)
    }

    fn regions<'py>(slf: &Bound<'py, Self>, ranges: Vec<Vec<(u64, u64)>>) -> PyResult<PyExpr> {
        let py = slf.py();
        let expr = slf.get().expr().regions(ranges.clone()).map_err(|error| raise(py, error))?;
        derived(slf, expr, "regions", (ranges,).into_pyobject(py)?)
    }

    fn take<'py>(
        slf: &Bound<'py, Self>,
        axis: usize,
        index: &Bound<'py, PyAny>,
        chunks: &Bound<'py, PyAny>,
    ) -> PyResult<PyExpr> {
        let py = slf.py();
        let numpy = py.import("numpy")?;
        let array = numpy.call_method1("ascontiguousarray", (index, "int64"))?;
        let wanted: Arc<[i64]> = match numpy_to_chunk(&array)? {
            Some(chunk) => chunk.as_slice::<i64>().unwrap_or_default().into(),
            None => return Err(PyTypeError::new_err("take: expected an array of int64 positions")),
        };
        let expr = slf.get().expr().take(axis, wanted, axis_of(chunks)?).map_err(|error| raise(py, error))?;
        derived(slf, expr, "take", (axis, index, chunks).into_pyobject(py)?)
    }

    fn select_blocks<'py>(slf: &Bound<'py, Self>, index: Vec<Vec<u32>>) -> PyResult<PyExpr> {
        let py = slf.py();
        let expr = slf.get().expr().select_blocks(index.clone()).map_err(|error| raise(py, error))?;
        derived(slf, expr, "select_blocks", (index,).into_pyobject(py)?)
    }

    fn reshape_blocks<'py>(slf: &Bound<'py, Self>, chunks: &Bound<'py, PyAny>) -> PyResult<PyExpr> {
        let py = slf.py();
        let expr = slf.get().expr().reshape_blocks(grid_of(chunks)?).map_err(|error| raise(py, error))?;
        derived(slf, expr, "reshape_blocks", (chunks,).into_pyobject(py)?)
    }

    fn with_chunks<'py>(slf: &Bound<'py, Self>, chunks: &Bound<'py, PyAny>) -> PyResult<PyExpr> {
        let py = slf.py();
        let expr = slf.get().expr().relabel(grid_of(chunks)?).map_err(|error| raise(py, error))?;
        derived(slf, expr, "with_chunks", (chunks,).into_pyobject(py)?)
    }

    #[staticmethod]
    fn concatenate<'py>(py: Python<'py>, inputs: Vec<Bound<'py, PyExpr>>, axis: usize) -> PyResult<PyExpr> {
        let exprs = inputs.iter().map(|input| Arc::clone(input.get().expr())).collect();
        let expr = Expr::concatenate(exprs, axis).map_err(|error| raise(py, error))?;
        PyExpr::new(py, expr, "concatenate", (PyTuple::new(py, inputs)?, axis).into_pyobject(py)?)
    }

    #[staticmethod]
    fn stack<'py>(py: Python<'py>, inputs: Vec<Bound<'py, PyExpr>>, axis: usize) -> PyResult<PyExpr> {
        let exprs = inputs.iter().map(|input| Arc::clone(input.get().expr())).collect();
        let expr = Expr::stack(exprs, axis).map_err(|error| raise(py, error))?;
        PyExpr::new(py, expr, "stack", (PyTuple::new(py, inputs)?, axis).into_pyobject(py)?)
    }

    #[staticmethod]
    #[pyo3(signature = (function, out_ind, args, chunks, dtype, native, kwargs=None, per_block=None, concatenate=false, label="blockwise", token=None))]
    #[allow(clippy::too_many_arguments)]
    fn blockwise<'py>(
        function: &Bound<'py, PyAny>,
        out_ind: Vec<i64>,
        args: Vec<(Bound<'py, PyAny>, Option<Vec<i64>>)>,
        chunks: &Bound<'py, PyAny>,
        dtype: &Bound<'py, PyAny>,
        native: bool,
        kwargs: Option<&Bound<'py, PyDict>>,
        per_block: Option<&Bound<'py, PyAny>>,
        concatenate: bool,
        label: &str,
        token: Option<String>,
    ) -> PyResult<PyExpr> {
        let py = function.py();
        let (mut slots, mut extras, mut arrays) = (Vec::new(), Vec::new(), Vec::new());
        for (object, indices) in &args {
            match (object.cast::<PyExpr>(), indices) {
                (Ok(expr), Some(indices)) => {
                    arrays.push(BlockArgument {
                        array: Arc::clone(expr.get().expr()),
                        indices: indices.as_slice().into(),
                    });
                    slots.push(Slot::Array);
                }
                (Ok(expr), None) => {
                    extras.push(super::output::whole_call(expr.get().expr()));
                    slots.push(Slot::Extra(extras.len() - 1));
                }
                (Err(_), _) => slots.push(slot_of(object, &mut extras)),
            }
        }
        let (keywords, extras) = keywords_of(kwargs, extras)?;
        let (element, native) = declared(dtype, native)?;
        let called: Arc<dyn BlockFunction> = match function.cast::<OrderFunction>() {
            Ok(native) => Arc::clone(&native.get().function) as Arc<dyn BlockFunction>,
            Err(_) => Arc::new(PyBlockFunction {
                function: function.clone().unbind(),
                slots,
                keywords,
                per_block: per_block.map(|callback| callback.clone().unbind()),
                native,
                token: token.clone(),
            }),
        };
        let expr =
            Expr::blockwise(called, &out_ind, arrays, extras, concatenate, grid_of(chunks)?, element, native, label)
                .map_err(|error| raise(py, error))?;
        let recipe = PyTuple::new(
            py,
            [
                function.clone(),
                out_ind.into_pyobject(py)?,
                args.into_pyobject(py)?,
                chunks.clone(),
                dtype.clone(),
                native.into_pyobject(py)?.to_owned().into_any(),
                kwargs.into_pyobject(py)?.into_any(),
                per_block.into_pyobject(py)?,
                concatenate.into_pyobject(py)?.to_owned().into_any(),
                label.into_pyobject(py)?.into_any(),
                token.into_pyobject(py)?,
            ],
        )?;
        PyExpr::new(py, expr, "blockwise", recipe)
    }

    #[pyo3(signature = (function, group, chunks, dtype, native, concatenate=false, kwargs=None, label="aggregate"))]
    #[allow(clippy::too_many_arguments)]
    fn group_blocks<'py>(
        slf: &Bound<'py, Self>,
        function: &Bound<'py, PyAny>,
        group: &Bound<'py, PyDict>,
        chunks: &Bound<'py, PyAny>,
        dtype: &Bound<'py, PyAny>,
        native: bool,
        concatenate: bool,
        kwargs: Option<&Bound<'py, PyDict>>,
        label: &str,
    ) -> PyResult<PyExpr> {
        let py = slf.py();
        let mut wanted: Vec<(usize, u32)> = Vec::new();
        for (axis, many) in group.iter() {
            wanted.push((axis.extract()?, many.extract()?));
        }
        wanted.sort_unstable();
        let (element, native) = declared(dtype, native)?;
        let (keywords, extras) = keywords_of(kwargs, Vec::new())?;
        if !extras.is_empty() {
            return Err(PyTypeError::new_err("group_blocks: keyword arguments can't be lazy values"));
        }
        let called: Arc<dyn BlockFunction> = match function.cast::<OrderFunction>() {
            Ok(native) => Arc::clone(&native.get().function) as Arc<dyn BlockFunction>,
            Err(_) => {
                let mut called = PyBlockFunction::plain(function.clone().unbind(), 1, native);
                called.keywords = keywords;
                Arc::new(called)
            }
        };
        let expr = slf
            .get()
            .expr()
            .group(called, wanted, concatenate, grid_of(chunks)?, element, native, label)
            .map_err(|error| raise(py, error))?;
        let args = (function, group, chunks, dtype, native, concatenate, kwargs, label).into_pyobject(py)?;
        derived(slf, expr, "group_blocks", args)
    }

    #[pyo3(signature = (block, last, combine, axis, dtype, native, method="sequential", label="cumreduction"))]
    #[allow(clippy::too_many_arguments)]
    fn scan_with<'py>(
        slf: &Bound<'py, Self>,
        block: &Bound<'py, PyAny>,
        last: &Bound<'py, PyAny>,
        combine: &Bound<'py, PyAny>,
        axis: usize,
        dtype: &Bound<'py, PyAny>,
        native: bool,
        method: &str,
        label: &str,
    ) -> PyResult<PyExpr> {
        let py = slf.py();
        if !matches!(method, "sequential" | "blelloch") {
            return Err(PyValueError::new_err(format!(
                "invalid method {method:?}: expected \"sequential\" or \"blelloch\""
            )));
        }
        let (element, native) = declared(dtype, native)?;
        let plain = |function: &Bound<'py, PyAny>, arrays| {
            Arc::new(PyBlockFunction::plain(function.clone().unbind(), arrays, native))
        };
        let expr = slf
            .get()
            .expr()
            .scan_with(plain(block, 1), plain(last, 1), plain(combine, 2), axis, element, native, label)
            .map_err(|error| raise(py, error))?;
        derived(slf, expr, "scan_with", (block, last, combine, axis, dtype, native, method, label).into_pyobject(py)?)
    }
}

/// An expression made by a method of another: its recipe names the static twin that takes that other first.
pub fn derived<'py>(
    of: &Bound<'py, PyExpr>,
    expr: Arc<Expr>,
    method: &str,
    args: Bound<'py, PyTuple>,
) -> PyResult<PyExpr> {
    let py = of.py();
    let mut all = vec![of.clone().into_any()];
    all.extend(args.iter());
    PyExpr::new(py, expr, method, PyTuple::new(py, all)?)
}

fn kind_of(distribution: &str) -> PyResult<DistributionKind> {
    let distribution = match distribution {
        "standard_normal" => "normal",
        "standard_exponential" => "exponential",
        other => other,
    };
    DistributionKind::ALL
        .iter()
        .find(|kind| kind.name() == distribution)
        .copied()
        .ok_or_else(|| PyValueError::new_err(format!("unknown distribution {distribution:?}")))
}

/// A distribution with parameters that are the same for all elements.
pub fn distribution_of(name: &str, params: &[Bound<'_, PyAny>], dtype: DType) -> PyResult<Distribution> {
    let single = dtype == DType::F32;
    Ok(match (name, params) {
        ("random" | "random_sample", []) => Distribution::StandardUniform { single },
        ("standard_normal", []) => Distribution::StandardNormal { single },
        ("standard_exponential", []) => Distribution::StandardExponential { single },
        ("standard_gamma", [shape]) => Distribution::StandardGamma { shape: shape.extract()?, single },
        ("integers", [low, span]) => {
            // `uint64` bounds may not fit a signed number: they are taken by their bits.
            let low = low.extract::<i64>().or_else(|_| low.extract::<u64>().map(|bits| bits as i64))?;
            let many: u128 = span.extract()?;
            let span = u64::try_from(many.saturating_sub(1))
                .map_err(|_| PyValueError::new_err(format!("integers: expected at most 2**64 values, got {many}")))?;
            Distribution::Integers { low, span, dtype }
        }
        _ => {
            let numbers = params.iter().map(|param| param.extract::<f64>()).collect::<PyResult<Vec<_>>>()?;
            kind_of(name)?.with(&numbers).map_err(|error| PyValueError::new_err(error.to_string()))?
        }
    })
}

/// The common refinement of chunks for each index.
#[pyfunction]
pub fn unify_chunks<'py>(
    py: Python<'py>,
    arrays: Vec<(Bound<'py, PyAny>, Bound<'py, PyAny>)>,
) -> PyResult<Bound<'py, PyDict>> {
    let mut found: Vec<(Bound<'py, PyAny>, Vec<raskr_array::Axis>)> = Vec::new();
    for (chunks, indices) in arrays {
        for (sizes, index) in chunks.try_iter()?.zip(indices.try_iter()?) {
            let (axis, index) = (axis_of(&sizes?)?, index?);
            let mut known = None;
            for (place, (other, _)) in found.iter().enumerate() {
                if other.eq(&index)? {
                    known = Some(place);
                    break;
                }
            }
            match known {
                Some(place) => found[place].1.push(axis),
                None => found.push((index, vec![axis])),
            }
        }
    }
    let unified = PyDict::new(py);
    for (index, axes) in found {
        let axis =
            raskr_array::grid::unify_axes("unify_chunks", axes.iter()).map_err(|error| to_python(py, error.into()))?;
        unified.set_item(index, super::expr::axis_to_python(py, &axis)?)?;
    }
    Ok(unified)
}
