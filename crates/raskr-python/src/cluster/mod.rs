//! The cluster as Python sees it: schedulers.

mod scheduler;
mod scheduler_options;

use pyo3::prelude::*;

pub fn register(module: &Bound<'_, PyModule>) -> PyResult<()> {
    module.add_class::<scheduler::SchedulerHandle>()?;
    module.add_function(wrap_pyfunction!(scheduler::start_scheduler, module)?)
}
