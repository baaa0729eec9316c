//! Pictures of the tasks that nodes need.

use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use pyo3::types::PyBytes;
use raskr_base::TaskError;
use raskr_graph::Plan;
use raskr_graph::draw::{Colour, DrawError, Drawing, Edge, Node as Box, Outline};

use crate::dictgraph::plan_of;
use crate::enter::enter;
use crate::error::to_python;

/// From the first task to the last.
const COLOURS: [(u8, u8, u8); 2] = [(68, 1, 84), (253, 231, 37)];

fn draw_error(error: DrawError) -> TaskError {
    TaskError::new(error.class(), error.to_string())
}

fn drawing(plan: &Plan, rankdir: &str, by_order: bool) -> Result<Drawing, TaskError> {
    let last = plan.len().saturating_sub(1).max(1) as f32;
    let mut drawing = Drawing { direction: rankdir.parse().map_err(draw_error)?, ..Drawing::default() };
    for task in 0..plan.len() as u32 {
        let op = plan.op(task);
        let share = task as f32 / last;
        let mix = |from: u8, to: u8| (f32::from(from) + (f32::from(to) - f32::from(from)) * share) as u8;
        let [from, to] = COLOURS;
        drawing.nodes.push(Box {
            label: op.name().to_owned(),
            outline: Outline::Circle,
            fill: by_order.then(|| Colour {
                red: mix(from.0, to.0),
                green: mix(from.1, to.1),
                blue: mix(from.2, to.2),
            }),
            tooltip: Some(plan.key(task)),
        });
        let inputs = plan.inputs(task).iter();
        drawing.edges.extend(inputs.map(|&input| Edge { from: input as usize, to: task as usize, label: None }));
    }
    Ok(drawing)
}

/// A picture of the tasks that nodes need, as the bytes of a file.
#[pyfunction]
fn draw<'py>(
    py: Python<'py>,
    items: Vec<Bound<'py, PyAny>>,
    format: &str,
    rankdir: &str,
    by_order: bool,
) -> PyResult<Bound<'py, PyBytes>> {
    let plan = plan_of(py, &items)?;
    let drawing = enter(py, || drawing(&plan, rankdir, by_order))?;
    let bytes = match format {
        "dot" => drawing.to_dot().map(String::into_bytes),
        "svg" => drawing.to_svg().map(String::into_bytes),
        "png" => drawing.to_png(),
        other => return Err(PyValueError::new_err(format!("format {other:?} is not drawn"))),
    };
    let bytes = bytes.map_err(|error| to_python(py, draw_error(error)))?;
    Ok(PyBytes::new(py, &bytes))
}

pub fn register(module: &Bound<'_, PyModule>) -> PyResult<()> {
    module.add_function(wrap_pyfunction!(draw, module)?)
}
