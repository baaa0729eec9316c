//! Expressions over batches: Arrow's functions with pandas' meaning, as DataFusion's operators take them.

use std::fmt;
use std::hash::{Hash, Hasher};
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, BooleanArray, Datum, RecordBatch};
use arrow::compute::kernels::{cmp, numeric};
use arrow::compute::{and, cast, is_null, not, nullif, or};
use arrow::datatypes::{DataType, Float32Type, Float64Type, Schema, SchemaRef};
use arrow::error::ArrowError;
use datafusion_common::{Result as EngineResult, ScalarValue};
use datafusion_expr::ColumnarValue;
use datafusion_physical_expr::PhysicalExpr;
use datafusion_physical_expr::expressions::{Column, in_list, lit};

use crate::error::FrameError;
use crate::expr::{Binary, Expr, common_type};

/// The expression for DataFusion's operators, over tables of a schema.
pub fn physical(expr: &Expr, schema: &SchemaRef) -> Result<Arc<dyn PhysicalExpr>, FrameError> {
    if let Expr::Column(name) = expr {
        let place = crate::error::place_of(schema, name)?;
        return Ok(Arc::new(Column::new(name, place)));
    }
    let data_type = expr.data_type(schema)?;
    Ok(Arc::new(RowExpr { expr: expr.clone(), data_type }))
}

/// An expression that is no plain column.
struct RowExpr {
    expr: Expr,
    data_type: DataType,
}

impl PartialEq for RowExpr {
    fn eq(&self, other: &RowExpr) -> bool {
        self.expr == other.expr
    }
}

impl Eq for RowExpr {}

impl Hash for RowExpr {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.expr.hash(state);
    }
}

impl fmt::Display for RowExpr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.expr)
    }
}

impl fmt::Debug for RowExpr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.expr)
    }
}

impl PhysicalExpr for RowExpr {
    fn data_type(&self, _: &Schema) -> EngineResult<DataType> {
        Ok(self.data_type.clone())
    }

    fn nullable(&self, _: &Schema) -> EngineResult<bool> {
        Ok(true)
    }

    fn evaluate(&self, batch: &RecordBatch) -> EngineResult<ColumnarValue> {
        let found = evaluate(&self.expr, batch).map_err(FrameError::into_datafusion)?;
        Ok(ColumnarValue::Array(found.into_array(batch.num_rows())?))
    }

    fn children(&self) -> Vec<&Arc<dyn PhysicalExpr>> {
        Vec::new()
    }

    fn with_new_children(self: Arc<Self>, _: Vec<Arc<dyn PhysicalExpr>>) -> EngineResult<Arc<dyn PhysicalExpr>> {
        Ok(self)
    }

    fn fmt_sql(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.expr)
    }
}

/// Values of all rows, or one for all.
struct Cells {
    array: ArrayRef,
    single: bool,
}

impl Datum for Cells {
    fn get(&self) -> (&dyn Array, bool) {
        (&*self.array, self.single)
    }
}

impl Cells {
    fn map(
        self,
        function: impl FnOnce(&ArrayRef) -> Result<ArrayRef, ArrowError>,
        operation: &'static str,
    ) -> Result<Cells, FrameError> {
        let array = function(&self.array).map_err(FrameError::arrow(operation))?;
        Ok(Cells { array, single: self.single })
    }

    fn into_array(self, rows: usize) -> EngineResult<ArrayRef> {
        if self.single { ScalarValue::try_from_array(&self.array, 0)?.to_array_of_size(rows) } else { Ok(self.array) }
    }
}

fn evaluate(expr: &Expr, batch: &RecordBatch) -> Result<Cells, FrameError> {
    let schema = batch.schema_ref();
    match expr {
        Expr::Column(name) => {
            let place = crate::error::place_of(schema, name)?;
            Ok(Cells { array: Arc::clone(batch.column(place)), single: false })
        }
        Expr::Literal(value) => {
            let array = value.to_array_of_size(1).map_err(FrameError::datafusion("a constant"))?;
            Ok(Cells { array, single: true })
        }
        Expr::Binary(operation, left, right) => {
            let mut common = common_type(*operation, left, right, schema)?;
            if *operation == Binary::Divide && !common.is_floating() {
                common = DataType::Float64;
            }
            let side = |expr| {
                let found = evaluate(expr, batch)?.map(|array| as_type(array, &common), "bringing types together")?;
                match operation.is_comparison() {
                    true => found.map(with_one_zero, "a comparison"),
                    false => Ok(found),
                }
            };
            binary(*operation, &side(left)?, &side(right)?)
        }
        Expr::Not(inner) => evaluate(inner, batch)?.map(|array| Ok(Arc::new(not(array.as_boolean())?)), "not"),
        Expr::Negate(inner) => evaluate(inner, batch)?.map(|array| numeric::neg_wrapping(array), "negation"),
        Expr::IsMissing(inner) => evaluate(inner, batch)?.map(|array| Ok(Arc::new(is_null(array)?)), "isna"),
        Expr::IsIn(inner, values) => {
            let found = evaluate(inner, batch)?;
            let schema = Arc::new(Schema::new(vec![arrow::datatypes::Field::new(
                "values",
                found.array.data_type().clone(),
                true,
            )]));
            let failed = FrameError::datafusion("isin");
            let list = values.iter().map(|value| lit(value.clone())).collect();
            let test = in_list(Arc::new(Column::new("values", 0)), list, &false, &schema).map_err(failed)?;
            found.map(
                |array| {
                    let column = RecordBatch::try_new(schema, vec![Arc::clone(array)])?;
                    let found = test.evaluate(&column)?.into_array(array.len())?;
                    Ok(Arc::new(filled(found.as_boolean(), false)))
                },
                "isin",
            )
        }
        Expr::Cast(inner, to) => {
            // pandas refuses missing values and fractions that would be lost; such a column is not cast natively.
            let found = evaluate(inner, batch)?;
            if !to.is_floating() && found.array.null_count() > 0 {
                return Err(FrameError::Unexpected {
                    operation: "astype",
                    expected: format!("values for all rows, since {to} has none for missing ones"),
                    got: "missing values (NA or inf)".to_owned(),
                });
            }
            found.map(|array| as_type(array, to), "astype")
        }
        Expr::Otherwise(first, second) => {
            let (first, second) = (evaluate(first, batch)?, evaluate(second, batch)?);
            first.map(
                |array| {
                    if array.null_count() == 0 {
                        return Ok(Arc::clone(array));
                    }
                    arrow::compute::kernels::zip::zip(&arrow::compute::is_not_null(array)?, array, &second)
                },
                "fillna",
            )
        }
    }
}

fn as_type(array: &ArrayRef, to: &DataType) -> Result<ArrayRef, ArrowError> {
    if array.data_type() == to { Ok(Arc::clone(array)) } else { cast(array, to) }
}

fn binary(operation: Binary, left: &Cells, right: &Cells) -> Result<Cells, FrameError> {
    let failed = FrameError::arrow("an operation of two columns");
    let (own, other): (&dyn Datum, &dyn Datum) = (left, right);
    let compared = match operation {
        Binary::Equal => Some(cmp::eq(own, other)),
        Binary::NotEqual => Some(cmp::neq(own, other)),
        Binary::Less => Some(cmp::lt(own, other)),
        Binary::LessEqual => Some(cmp::lt_eq(own, other)),
        Binary::Greater => Some(cmp::gt(own, other)),
        Binary::GreaterEqual => Some(cmp::gt_eq(own, other)),
        _ => None,
    };
    let array: ArrayRef = match (compared, operation) {
        (Some(found), _) => Arc::new(filled(&found.map_err(failed)?, operation == Binary::NotEqual)),
        (None, Binary::And) => Arc::new(logical(left, right, false, and)?),
        (None, Binary::Or) => Arc::new(logical(left, right, true, or)?),
        (None, Binary::Add) => numeric::add_wrapping(own, other).map_err(failed)?,
        (None, Binary::Subtract) => numeric::sub_wrapping(own, other).map_err(failed)?,
        (None, Binary::Multiply) => numeric::mul_wrapping(own, other).map_err(failed)?,
        (None, _) => numeric::div(own, other).map_err(failed)?,
    };
    let array = without_nan(array).map_err(FrameError::arrow("an operation of two columns"))?;
    Ok(Cells { array, single: left.single && right.single })
}

/// `and` or `or`, of which one side may be one value for all rows; `absorbing` is the value that decides alone.
fn logical(
    left: &Cells,
    right: &Cells,
    absorbing: bool,
    function: fn(&BooleanArray, &BooleanArray) -> Result<BooleanArray, ArrowError>,
) -> Result<BooleanArray, FrameError> {
    let (single, other) = match (left.single, right.single) {
        (true, _) => (left, right),
        (_, true) => (right, left),
        _ => {
            let (own, other) = (left.array.as_boolean(), right.array.as_boolean());
            return function(own, other).map_err(FrameError::arrow("an operation of two columns"));
        }
    };
    let other = other.array.as_boolean();
    let value = single.array.as_boolean().value(0);
    Ok(if value == absorbing { BooleanArray::from(vec![absorbing; other.len()]) } else { other.clone() })
}

/// Conditions with a value where there is none.
fn filled(found: &BooleanArray, value: bool) -> BooleanArray {
    match found.nulls() {
        None => found.clone(),
        Some(nulls) if value => BooleanArray::new(found.values() | &!nulls.inner(), None),
        Some(nulls) => BooleanArray::new(found.values() & nulls.inner(), None),
    }
}

/// Floating-point numbers with null in place of NaN.
pub fn without_nan(array: ArrayRef) -> Result<ArrayRef, ArrowError> {
    let is_nan = match array.data_type() {
        DataType::Float64 => nan_mask(array.as_primitive::<Float64Type>().values(), |value| value.is_nan()),
        DataType::Float32 => nan_mask(array.as_primitive::<Float32Type>().values(), |value| value.is_nan()),
        _ => None,
    };
    match is_nan {
        Some(mask) => nullif(&array, &mask),
        None => Ok(array),
    }
}

/// Floating-point numbers with 0 in place of -0, which Arrow tells apart.
pub(crate) fn with_one_zero(array: &ArrayRef) -> Result<ArrayRef, ArrowError> {
    let has_other = match array.data_type() {
        DataType::Float64 => {
            let values = array.as_primitive::<Float64Type>().values();
            values
                .chunks(1024)
                .any(|piece| piece.iter().fold(false, |found, value| found | (value.to_bits() == 1 << 63)))
        }
        DataType::Float32 => {
            let values = array.as_primitive::<Float32Type>().values();
            values
                .chunks(1024)
                .any(|piece| piece.iter().fold(false, |found, value| found | (value.to_bits() == 1 << 31)))
        }
        _ => false,
    };
    if !has_other {
        return Ok(Arc::clone(array));
    }
    let zero = ScalarValue::new_zero(array.data_type())?.to_scalar()?;
    numeric::add_wrapping(array, &zero)
}

fn nan_mask<T: Copy>(values: &[T], is_nan: impl Fn(T) -> bool) -> Option<BooleanArray> {
    // Without an early end the loop is vectorised.
    let any = values.chunks(1024).any(|piece| piece.iter().fold(false, |found, &value| found | is_nan(value)));
    any.then(|| BooleanArray::from_iter(values.iter().map(|&value| Some(is_nan(value)))))
}
