//! What is known of groups while their rows are gone through: sums, counts, extremes and moments, a column each.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, BooleanArray, Float64Array, Int64Array, PrimitiveArray, RecordBatch};
use arrow::buffer::{BooleanBuffer, NullBuffer};
use arrow::compute::cast;
use arrow::datatypes::{
    ArrowNativeTypeOp, ArrowPrimitiveType, DataType, Float64Type, Int64Type, SchemaRef, UInt64Type,
};

use crate::error::{FrameError, place_of};
use crate::plan::{Measure, Statistic};

/// What is known of the groups.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Known {
    /// Rows, or values that are there.
    Count,
    /// In the type that sums have.
    Sum(Sums),
    Least(Sums),
    Greatest(Sums),
    /// The mean, and the sum of squared distances from it; needs the count.
    Moments,
    /// The median, of all values, which have to come as rows.
    Median,
}

/// The types that states have.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Sums {
    Signed,
    Unsigned,
    Double,
}

impl Sums {
    pub fn kind(self) -> DataType {
        match self {
            Sums::Signed => DataType::Int64,
            Sums::Unsigned => DataType::UInt64,
            Sums::Double => DataType::Float64,
        }
    }

    fn of(kind: &DataType) -> Option<Sums> {
        Some(match kind {
            DataType::Int8 | DataType::Int16 | DataType::Int32 | DataType::Int64 => Sums::Signed,
            DataType::UInt8 | DataType::UInt16 | DataType::UInt32 | DataType::UInt64 => Sums::Unsigned,
            DataType::Float32 | DataType::Float64 => Sums::Double,
            _ => return None,
        })
    }
}

/// What has to be known of one column, `None` for rows whatever they hold.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Wanted {
    pub column: Option<usize>,
    pub known: Known,
}

impl Wanted {
    /// The types of its columns.
    pub fn kinds(&self) -> Vec<DataType> {
        match self.known {
            Known::Count => vec![DataType::Int64],
            Known::Sum(sums) | Known::Least(sums) | Known::Greatest(sums) => vec![sums.kind()],
            Known::Moments => vec![DataType::Int64, DataType::Float64, DataType::Float64],
            Known::Median => vec![DataType::Float64],
        }
    }

    pub fn text(&self, rows: &SchemaRef) -> String {
        let of = self.column.map_or("rows", |place| rows.field(place).name());
        format!("{:?}({of})", self.known).to_lowercase()
    }

    /// The states of single rows.
    pub fn of_rows(&self, batch: &RecordBatch) -> Result<Vec<ArrayRef>, FrameError> {
        let rows = batch.num_rows();
        let column = self.column.map(|place| batch.column(place));
        let there = |row: usize| column.is_none_or(|column| column.is_valid(row));
        let counts = || -> ArrayRef {
            match column.is_none_or(|column| column.null_count() == 0) {
                true => Arc::new(Int64Array::from(vec![1; rows])),
                false => Arc::new((0..rows).map(|row| i64::from(there(row))).collect::<Int64Array>()),
            }
        };
        let Some(column) = column else { return Ok(vec![counts()]) };
        let converted = |kind: DataType| match column.data_type() == &kind {
            true => Ok(Arc::clone(column)),
            false => cast(column, &kind).map_err(FrameError::arrow("an aggregation")),
        };
        Ok(match self.known {
            Known::Count => vec![counts()],
            Known::Sum(Sums::Signed) => vec![with_zeros::<Int64Type>(&converted(DataType::Int64)?)],
            Known::Sum(Sums::Unsigned) => vec![with_zeros::<UInt64Type>(&converted(DataType::UInt64)?)],
            Known::Sum(Sums::Double) => vec![with_zeros::<Float64Type>(&converted(DataType::Float64)?)],
            Known::Least(sums) | Known::Greatest(sums) => vec![converted(sums.kind())?],
            Known::Median => vec![converted(DataType::Float64)?],
            Known::Moments => {
                let means = with_zeros::<Float64Type>(&converted(DataType::Float64)?);
                vec![counts(), means, Arc::new(Float64Array::from(vec![0.0; rows]))]
            }
        })
    }

    /// Nothing known of any group yet.
    pub fn begun(&self) -> Box<dyn State> {
        match self.known {
            Known::Count | Known::Sum(Sums::Signed) => Box::new(Total::<Int64Type>(Vec::new())),
            Known::Sum(Sums::Unsigned) => Box::new(Total::<UInt64Type>(Vec::new())),
            Known::Sum(Sums::Double) => Box::new(Total::<Float64Type>(Vec::new())),
            Known::Least(sums) => extreme(sums, false),
            Known::Greatest(sums) => extreme(sums, true),
            Known::Moments => Box::new(Moments::default()),
            Known::Median => Box::new(Median::default()),
        }
    }
}

fn extreme(sums: Sums, greatest: bool) -> Box<dyn State> {
    match sums {
        Sums::Signed => Box::new(Extreme::<Int64Type> { greatest, values: Vec::new(), seen: Vec::new() }),
        Sums::Unsigned => Box::new(Extreme::<UInt64Type> { greatest, values: Vec::new(), seen: Vec::new() }),
        Sums::Double => Box::new(Extreme::<Float64Type> { greatest, values: Vec::new(), seen: Vec::new() }),
    }
}

/// Values, 0 where one is missing.
fn with_zeros<T: ArrowPrimitiveType>(column: &ArrayRef) -> ArrayRef {
    let Some(valid) = column.nulls().filter(|nulls| nulls.null_count() > 0) else { return Arc::clone(column) };
    let values = column.as_primitive::<T>().values().iter().zip(valid);
    let filled: Vec<T::Native> =
        values.map(|(value, valid)| if valid { *value } else { T::Native::default() }).collect();
    Arc::new(PrimitiveArray::<T>::new(filled.into(), None))
}

/// What is known of all groups about one column.
pub trait State: Send {
    /// Adds states of rows or of groups; there are `count` groups now, and `groups` says to which each belongs.
    fn add(&mut self, groups: &[u32], count: usize, columns: &[ArrayRef]);

    /// The states, one a group.
    fn columns(self: Box<Self>) -> Vec<ArrayRef>;

    fn bytes(&self) -> usize;
}

/// A sum; those of whole numbers wrap around.
struct Total<T: ArrowPrimitiveType>(Vec<T::Native>);

impl<T: ArrowPrimitiveType> State for Total<T> {
    fn add(&mut self, groups: &[u32], count: usize, columns: &[ArrayRef]) {
        self.0.resize(count, T::Native::default());
        for (group, value) in groups.iter().zip(columns[0].as_primitive::<T>().values()) {
            let total = &mut self.0[*group as usize];
            *total = total.add_wrapping(*value);
        }
    }

    fn columns(self: Box<Self>) -> Vec<ArrayRef> {
        vec![Arc::new(PrimitiveArray::<T>::new(self.0.into(), None))]
    }

    fn bytes(&self) -> usize {
        size_of::<T::Native>() * self.0.capacity()
    }
}

/// The least or the greatest value, where there was one.
struct Extreme<T: ArrowPrimitiveType> {
    greatest: bool,
    values: Vec<T::Native>,
    seen: Vec<bool>,
}

impl<T: ArrowPrimitiveType> State for Extreme<T> {
    fn add(&mut self, groups: &[u32], count: usize, columns: &[ArrayRef]) {
        self.values.resize(count, T::Native::default());
        self.seen.resize(count, false);
        let column = columns[0].as_primitive::<T>();
        let valid = column.nulls().filter(|nulls| nulls.null_count() > 0);
        for (row, (group, value)) in groups.iter().zip(column.values()).enumerate() {
            if valid.is_some_and(|valid| valid.is_null(row)) {
                continue;
            }
            let group = *group as usize;
            let best = self.values[group];
            let better = if self.greatest { value.is_gt(best) } else { value.is_lt(best) };
            if better || !self.seen[group] {
                self.values[group] = *value;
                self.seen[group] = true;
            }
        }
    }

    fn columns(self: Box<Self>) -> Vec<ArrayRef> {
        let Extreme { values, seen, .. } = *self;
        let valid = seen.contains(&false).then(|| NullBuffer::new(BooleanBuffer::from(seen)));
        vec![Arc::new(PrimitiveArray::<T>::new(values.into(), valid))]
    }

    fn bytes(&self) -> usize {
        (size_of::<T::Native>() + 1) * self.values.capacity()
    }
}

/// Counts, means and sums of squared distances, put together pair by pair (Chan, Golub and LeVeque 1979).
#[derive(Default)]
struct Moments {
    counts: Vec<i64>,
    means: Vec<f64>,
    squares: Vec<f64>,
}

impl State for Moments {
    fn add(&mut self, groups: &[u32], count: usize, columns: &[ArrayRef]) {
        self.counts.resize(count, 0);
        self.means.resize(count, 0.0);
        self.squares.resize(count, 0.0);
        let counts = columns[0].as_primitive::<Int64Type>().values();
        let (means, squares) =
            (columns[1].as_primitive::<Float64Type>().values(), columns[2].as_primitive::<Float64Type>().values());
        for (row, group) in groups.iter().enumerate() {
            let (group, more) = (*group as usize, counts[row]);
            if more == 0 {
                continue;
            }
            let all = self.counts[group] + more;
            let (distance, share) = (means[row] - self.means[group], more as f64 / all as f64);
            self.squares[group] += squares[row] + distance * distance * self.counts[group] as f64 * share;
            self.means[group] += distance * share;
            self.counts[group] = all;
        }
    }

    fn columns(self: Box<Self>) -> Vec<ArrayRef> {
        vec![
            Arc::new(Int64Array::from(self.counts)),
            Arc::new(Float64Array::from(self.means)),
            Arc::new(Float64Array::from(self.squares)),
        ]
    }

    fn bytes(&self) -> usize {
        24 * self.counts.capacity()
    }
}

/// All values, each with its group.
#[derive(Default)]
struct Median {
    groups: Vec<u32>,
    values: Vec<f64>,
    count: usize,
}

impl State for Median {
    fn add(&mut self, groups: &[u32], count: usize, columns: &[ArrayRef]) {
        self.count = count;
        let column = columns[0].as_primitive::<Float64Type>();
        for (group, value) in groups.iter().zip(column).filter_map(|(group, value)| Some((group, value?))) {
            self.groups.push(*group);
            self.values.push(value);
        }
    }

    fn columns(self: Box<Self>) -> Vec<ArrayRef> {
        let mut next = vec![0; self.count + 1];
        self.groups.iter().for_each(|group| next[*group as usize + 1] += 1);
        for group in 0..self.count {
            next[group + 1] += next[group];
        }
        let ends: Vec<usize> = next[1..].to_vec();
        let mut dealt = vec![0.0; self.values.len()];
        for (group, value) in self.groups.iter().zip(&self.values) {
            let place = &mut next[*group as usize];
            dealt[*place] = *value;
            *place += 1;
        }
        let mut rest = &mut dealt[..];
        let mut before = 0;
        let medians = ends.into_iter().map(|end| {
            let (own, behind) = std::mem::take(&mut rest).split_at_mut(end - before);
            (rest, before) = (behind, end);
            median(own)
        });
        vec![Arc::new(medians.collect::<Float64Array>())]
    }

    fn bytes(&self) -> usize {
        (size_of::<u32>() + size_of::<f64>()) * self.values.capacity()
    }
}

/// The value in the middle, or what is between the two that are there.
fn median(values: &mut [f64]) -> Option<f64> {
    let middle = values.len() / 2;
    if values.is_empty() {
        return None;
    }
    let even = values.len().is_multiple_of(2);
    let (below, upper, _) = values.select_nth_unstable_by(middle, f64::total_cmp);
    let lower = below.iter().copied().filter(|_| even).max_by(f64::total_cmp);
    Some(lower.map_or(*upper, |lower| f64::midpoint(lower, *upper)))
}

/// How a figure is made of what is known, which is told by its number.
#[derive(Clone, Debug)]
pub enum Figure {
    Known(usize, DataType),
    /// A sum, and how many values it has.
    Mean(usize, usize),
    /// Moments, the values that are taken off their number, and whether the root is wanted.
    Spread(usize, u8, bool),
}

/// What has to be known for some measures, and how these are made of it; `None` where that is not done here.
pub fn planned(measures: &[Measure], rows: &SchemaRef) -> Result<Option<(Vec<Wanted>, Vec<Figure>)>, FrameError> {
    let mut all: Vec<Wanted> = Vec::new();
    let mut figures = Vec::with_capacity(measures.len());
    for measure in measures {
        let column = measure.column.as_ref().map(|name| place_of(rows, name)).transpose()?;
        let kind = column.map_or(&DataType::Int64, |place| rows.field(place).data_type());
        let mut number = |column: Option<usize>, known: Known| {
            let wanted = Wanted { column, known };
            all.iter().position(|other| *other == wanted).unwrap_or_else(|| {
                all.push(wanted);
                all.len() - 1
            })
        };
        let sums = match kind {
            DataType::Timestamp(..) => Some(Sums::Signed),
            kind => Sums::of(kind),
        };
        let is_number = Sums::of(kind).is_some();
        let figure = match (measure.statistic, sums) {
            (Statistic::Size, _) => Figure::Known(number(None, Known::Count), DataType::Int64),
            (Statistic::Count, _) => Figure::Known(number(column, Known::Count), DataType::Int64),
            (Statistic::Sum, None) if *kind == DataType::Boolean => {
                Figure::Known(number(column, Known::Sum(Sums::Signed)), DataType::Int64)
            }
            (Statistic::Min, Some(sums)) => Figure::Known(number(column, Known::Least(sums)), kind.clone()),
            (Statistic::Max, Some(sums)) => Figure::Known(number(column, Known::Greatest(sums)), kind.clone()),
            (Statistic::Sum, Some(sums)) if is_number => Figure::Known(number(column, Known::Sum(sums)), sums.kind()),
            (Statistic::Mean, Some(_)) if is_number => {
                Figure::Mean(number(column, Known::Sum(Sums::Double)), number(column, Known::Count))
            }
            (Statistic::Variance(less), Some(_)) if is_number => {
                Figure::Spread(number(column, Known::Moments), less, false)
            }
            (Statistic::Deviation(less), Some(_)) if is_number => {
                Figure::Spread(number(column, Known::Moments), less, true)
            }
            (Statistic::Median, Some(_)) if is_number => {
                Figure::Known(number(column, Known::Median), DataType::Float64)
            }
            _ => return Ok(None),
        };
        figures.push(figure);
    }
    Ok(Some((all, figures)))
}

impl Figure {
    /// The figure of each group.
    pub fn column(&self, known: &[Vec<ArrayRef>]) -> Result<ArrayRef, FrameError> {
        let share = |numbers: &ArrayRef, counts: &ArrayRef, less: i64, root: bool| -> ArrayRef {
            let numbers = numbers.as_primitive::<Float64Type>().values();
            let counts = counts.as_primitive::<Int64Type>().values();
            let divided = numbers.iter().zip(counts).map(|(number, count)| number / (count - less).max(1) as f64);
            let made: Vec<f64> = if root { divided.map(f64::sqrt).collect() } else { divided.collect() };
            let valid = BooleanBuffer::collect_bool(counts.len(), |group| counts[group] > less);
            let all = valid.count_set_bits() == valid.len();
            Arc::new(Float64Array::new(made.into(), (!all).then(|| NullBuffer::new(valid))))
        };
        Ok(match self {
            Figure::Known(number, kind) => match &known[*number][0] {
                column if column.data_type() == kind => Arc::clone(column),
                column => cast(column, kind).map_err(FrameError::arrow("an aggregation"))?,
            },
            Figure::Mean(sum, count) => share(&known[*sum][0], &known[*count][0], 0, false),
            Figure::Spread(moments, less, root) => {
                let moments = &known[*moments];
                share(&moments[2], &moments[0], i64::from(*less), *root)
            }
        })
    }
}

/// The rows that are marked.
pub fn chosen(batch: &RecordBatch, marked: BooleanBuffer) -> Result<RecordBatch, FrameError> {
    arrow::compute::filter_record_batch(batch, &BooleanArray::new(marked, None))
        .map_err(FrameError::arrow("an aggregation"))
}
