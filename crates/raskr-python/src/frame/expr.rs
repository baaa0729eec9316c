//! `FrameExpr`: a value for each row, as Python builds it.

use pyo3::exceptions::{PyNotImplementedError, PyValueError};
use pyo3::prelude::*;
use pyo3::types::{PyBool, PyFloat, PyInt, PyString};
use raskr_frame::arrow::datatypes::{DataType, TimeUnit};
use raskr_frame::{Binary, Expr, ScalarValue};

pub fn register(module: &Bound<'_, PyModule>) -> PyResult<()> {
    module.add_class::<FrameExpr>()
}

/// A value for each row.
#[pyclass(frozen, module = "raskr._core")]
#[derive(Clone)]
pub struct FrameExpr {
    pub expr: Expr,
}

fn made(expr: Expr) -> FrameExpr {
    FrameExpr { expr }
}

#[pymethods]
impl FrameExpr {
    #[staticmethod]
    fn column(name: String) -> FrameExpr {
        made(Expr::Column(name))
    }

    /// A number, a text or a truth value that was written in the program.
    #[staticmethod]
    fn literal(value: &Bound<'_, PyAny>) -> PyResult<FrameExpr> {
        Ok(made(Expr::Literal(scalar(value)?)))
    }

    /// A point in time, counted in a unit ("s", "ms", "us", "ns") from 1970 on.
    #[staticmethod]
    fn timestamp(value: i64, unit: &str, zone: Option<String>) -> PyResult<FrameExpr> {
        let zone = zone.map(Into::into);
        Ok(made(Expr::Literal(match unit {
            "s" => ScalarValue::TimestampSecond(Some(value), zone),
            "ms" => ScalarValue::TimestampMillisecond(Some(value), zone),
            "us" => ScalarValue::TimestampMicrosecond(Some(value), zone),
            "ns" => ScalarValue::TimestampNanosecond(Some(value), zone),
            other => return Err(PyValueError::new_err(format!("unit: expected s, ms, us or ns, got {other:?}"))),
        })))
    }

    #[staticmethod]
    fn binary(operation: &str, left: &FrameExpr, right: &FrameExpr) -> PyResult<FrameExpr> {
        let operation = Binary::from_name(operation)
            .ok_or_else(|| PyNotImplementedError::new_err(format!("{operation} is not done natively")))?;
        Ok(made(Expr::binary(operation, left.expr.clone(), right.expr.clone())))
    }

    fn negated(&self) -> FrameExpr {
        made(Expr::Negate(Box::new(self.expr.clone())))
    }

    fn inverted(&self) -> FrameExpr {
        made(Expr::Not(Box::new(self.expr.clone())))
    }

    fn is_missing(&self) -> FrameExpr {
        made(Expr::IsMissing(Box::new(self.expr.clone())))
    }

    fn is_in(&self, values: Vec<Bound<'_, PyAny>>) -> PyResult<FrameExpr> {
        let values = values.iter().map(scalar).collect::<PyResult<_>>()?;
        Ok(made(Expr::IsIn(Box::new(self.expr.clone()), values)))
    }

    fn cast(&self, to: &str) -> PyResult<FrameExpr> {
        Ok(made(self.expr.clone().cast(data_type(to)?)))
    }

    fn otherwise(&self, second: &FrameExpr) -> FrameExpr {
        made(Expr::Otherwise(Box::new(self.expr.clone()), Box::new(second.expr.clone())))
    }

    fn __repr__(&self) -> String {
        self.expr.to_string()
    }
}

fn scalar(value: &Bound<'_, PyAny>) -> PyResult<ScalarValue> {
    Ok(if value.is_exact_instance_of::<PyBool>() {
        ScalarValue::Boolean(Some(value.extract()?))
    } else if value.is_exact_instance_of::<PyInt>() {
        ScalarValue::Int64(Some(value.extract()?))
    } else if value.is_exact_instance_of::<PyFloat>() {
        ScalarValue::Float64(Some(value.extract()?))
    } else if value.is_exact_instance_of::<PyString>() {
        ScalarValue::Utf8View(Some(value.extract()?))
    } else {
        let kind = value.get_type().name()?;
        return Err(PyNotImplementedError::new_err(format!("constants of type {kind} are not done natively")));
    })
}

/// The type of NumPy's name.
pub fn data_type(name: &str) -> PyResult<DataType> {
    Ok(match name {
        "bool" => DataType::Boolean,
        "int8" => DataType::Int8,
        "int16" => DataType::Int16,
        "int32" => DataType::Int32,
        "int64" => DataType::Int64,
        "uint8" => DataType::UInt8,
        "uint16" => DataType::UInt16,
        "uint32" => DataType::UInt32,
        "uint64" => DataType::UInt64,
        "float32" => DataType::Float32,
        "float64" => DataType::Float64,
        "str" => DataType::Utf8View,
        "datetime64[s]" => DataType::Timestamp(TimeUnit::Second, None),
        "datetime64[ms]" => DataType::Timestamp(TimeUnit::Millisecond, None),
        "datetime64[us]" => DataType::Timestamp(TimeUnit::Microsecond, None),
        "datetime64[ns]" => DataType::Timestamp(TimeUnit::Nanosecond, None),
        other => return Err(PyNotImplementedError::new_err(format!("the type {other} is not native"))),
    })
}

/// NumPy's name of a type; the type's own where NumPy has none.
pub fn name_of(kind: &DataType) -> String {
    match kind {
        DataType::Boolean => "bool".to_owned(),
        DataType::Utf8View => "str".to_owned(),
        DataType::Timestamp(unit, None) => {
            let unit = match unit {
                TimeUnit::Second => "s",
                TimeUnit::Millisecond => "ms",
                TimeUnit::Microsecond => "us",
                TimeUnit::Nanosecond => "ns",
            };
            format!("datetime64[{unit}]")
        }
        kind if kind.is_numeric() => kind.to_string().to_lowercase(),
        other => other.to_string(),
    }
}
