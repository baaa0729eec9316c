//! Pickling of expressions by their recipes: nested, as Python objects are, or as a list where they are nested too deeply for
//! a pickler.

use std::collections::HashMap;

use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyList, PyTuple};

use super::expr::{PyExpr, rebuild_expr};

/// Deeper ones are pickled as a list: picklers recurse, a few times a level.
const DEPTH_MAX: u32 = 60;

/// Stands for an expression within the arguments of a later one's recipe.
#[pyclass(frozen, module = "raskr._core")]
pub struct ExprPart {
    number: usize,
}

#[pymethods]
impl ExprPart {
    #[new]
    fn new(number: usize) -> ExprPart {
        ExprPart { number }
    }

    fn __reduce__<'py>(slf: &Bound<'py, Self>) -> PyResult<(Bound<'py, PyAny>, Bound<'py, PyTuple>)> {
        let number = (slf.get().number,).into_pyobject(slf.py())?;
        Ok((slf.get_type().into_any(), number))
    }
}

/// The expressions among arguments.
fn parts<'py>(arguments: &Bound<'py, PyAny>, into: &mut Vec<Bound<'py, PyExpr>>) -> PyResult<()> {
    if let Ok(expr) = arguments.cast::<PyExpr>() {
        into.push(expr.clone());
    } else if arguments.is_exact_instance_of::<PyTuple>() || arguments.is_exact_instance_of::<PyList>() {
        for item in arguments.try_iter()? {
            parts(&item?, into)?;
        }
    } else if let Ok(dict) = arguments.cast_exact::<PyDict>() {
        for (_, value) in dict.iter() {
            parts(&value, into)?;
        }
    }
    Ok(())
}

/// Arguments with some objects replaced.
fn replaced<'py>(
    arguments: &Bound<'py, PyAny>,
    other: &dyn Fn(&Bound<'py, PyAny>) -> PyResult<Option<Bound<'py, PyAny>>>,
) -> PyResult<Bound<'py, PyAny>> {
    let py = arguments.py();
    if let Some(other) = other(arguments)? {
        return Ok(other);
    }
    if let Ok(tuple) = arguments.cast_exact::<PyTuple>() {
        let items = tuple.iter().map(|item| replaced(&item, other)).collect::<PyResult<Vec<_>>>()?;
        return Ok(PyTuple::new(py, items)?.into_any());
    }
    if let Ok(list) = arguments.cast_exact::<PyList>() {
        let items = list.iter().map(|item| replaced(&item, other)).collect::<PyResult<Vec<_>>>()?;
        return Ok(PyList::new(py, items)?.into_any());
    }
    if let Ok(dict) = arguments.cast_exact::<PyDict>() {
        let copy = PyDict::new(py);
        for (key, value) in dict.iter() {
            copy.set_item(key, replaced(&value, other)?)?;
        }
        return Ok(copy.into_any());
    }
    Ok(arguments.clone())
}

fn recipe<'py>(expr: &Bound<'py, PyExpr>) -> PyResult<(Bound<'py, PyAny>, Bound<'py, PyAny>)> {
    expr.get().recipe(expr.py()).extract()
}

/// `__reduce__` of an expression.
pub fn reduce<'py>(expr: &Bound<'py, PyExpr>) -> PyResult<(Bound<'py, PyAny>, Bound<'py, PyTuple>)> {
    let py = expr.py();
    let core = py.import("raskr._core")?;
    // Numbers and depths of those that are done, in an order in which each comes after its parts.
    let mut done: HashMap<usize, (usize, u32)> = HashMap::new();
    let mut order: Vec<Bound<'py, PyExpr>> = Vec::new();
    let mut path: Vec<(Bound<'py, PyExpr>, Vec<Bound<'py, PyExpr>>, u32)> = Vec::new();
    let open = |expr: Bound<'py, PyExpr>| -> PyResult<(Bound<'py, PyExpr>, Vec<Bound<'py, PyExpr>>, u32)> {
        let mut found = Vec::new();
        parts(&recipe(&expr)?.1, &mut found)?;
        Ok((expr, found, 0))
    };
    path.push(open(expr.clone())?);
    while let Some((_, waiting, depth)) = path.last_mut() {
        match waiting.last() {
            Some(part) => match done.get(&(part.as_ptr() as usize)) {
                Some((_, below)) => {
                    *depth = (*depth).max(below + 1);
                    waiting.pop();
                }
                None => {
                    let next = open(part.clone())?;
                    path.push(next);
                }
            },
            None => {
                if let Some((expr, _, depth)) = path.pop() {
                    done.insert(expr.as_ptr() as usize, (order.len(), depth));
                    order.push(expr);
                }
            }
        }
    }
    if done.get(&(expr.as_ptr() as usize)).is_none_or(|(_, depth)| *depth <= DEPTH_MAX) {
        return Ok((core.getattr("rebuild_expr")?, expr.get().recipe(py)));
    }
    let entries = PyList::empty(py);
    for expr in &order {
        let (constructor, arguments) = recipe(expr)?;
        let stand_in = |object: &Bound<'py, PyAny>| -> PyResult<Option<Bound<'py, PyAny>>> {
            if object.cast::<PyExpr>().is_err() {
                return Ok(None);
            }
            let number = done.get(&(object.as_ptr() as usize)).map_or(0, |(number, _)| *number);
            Ok(Some(Bound::new(py, ExprPart { number })?.into_any()))
        };
        entries.append((constructor, replaced(&arguments, &stand_in)?))?;
    }
    Ok((core.getattr("rebuild_exprs")?, (entries,).into_pyobject(py)?))
}

/// The last of the expressions that recipes tell how to build, each of which may name earlier ones.
#[pyfunction]
pub fn rebuild_exprs<'py>(recipes: &Bound<'py, PyList>) -> PyResult<Bound<'py, PyAny>> {
    let py = recipes.py();
    let mut made: Vec<Bound<'py, PyAny>> = Vec::with_capacity(recipes.len());
    for entry in recipes.iter() {
        let (constructor, arguments): (String, Bound<'py, PyAny>) = entry.extract()?;
        let part = |object: &Bound<'py, PyAny>| -> PyResult<Option<Bound<'py, PyAny>>> {
            let Ok(part) = object.cast::<ExprPart>() else { return Ok(None) };
            let number = part.get().number;
            let known = made.get(number).cloned();
            known.map(Some).ok_or_else(|| PyValueError::new_err(format!("expression {number} comes after its use")))
        };
        let arguments = replaced(&arguments, &part)?.cast_into::<PyTuple>()?;
        made.push(rebuild_expr(py, &constructor, &arguments)?);
    }
    made.pop().ok_or_else(|| PyValueError::new_err("there is no expression to build"))
}
