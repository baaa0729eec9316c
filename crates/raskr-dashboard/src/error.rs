//! What can be wrong when a dashboard starts.

use raskr_base::ErrorClass;
use thiserror::Error;

#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum DashboardError {
    #[error("dashboard address {given:?}: expected HOST:PORT, :PORT or HOST, and {found}")]
    Address { given: String, found: String },
    #[error("dashboard address {address}: the port is in use{}", by(.holder))]
    InUse { address: String, holder: Option<String> },
    #[error("dashboard address {address}: can't listen there: {reason}")]
    Listen { address: String, reason: String },
    #[error(
        "the dashboard's {what} {given:?} goes into links: expected letters, digits, '-', '_', '.'{}",
        if *.what == "prefix" { " and '/'" } else { "" }
    )]
    Text { what: &'static str, given: String },
    #[error("the dashboard's thread could not be started: {reason}")]
    Thread { reason: String },
}

fn by(holder: &Option<String>) -> String {
    holder.as_ref().map(|holder| format!(" by {holder}")).unwrap_or_default()
}

impl DashboardError {
    pub fn class(&self) -> ErrorClass {
        match self {
            DashboardError::Address { .. } | DashboardError::Text { .. } => ErrorClass::Value,
            DashboardError::InUse { .. } | DashboardError::Listen { .. } | DashboardError::Thread { .. } => {
                ErrorClass::Os
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_name_what_was_given() {
        let address = || "127.0.0.1:8786".to_owned();
        let cases = [
            (
                DashboardError::Address { given: "a:b".into(), found: "'b' is no port".into() },
                ErrorClass::Value,
                "\"a:b\": expected HOST:PORT, :PORT or HOST, and 'b' is no port",
            ),
            (
                DashboardError::InUse { address: address(), holder: Some("pid 123 (raskr scheduler)".into()) },
                ErrorClass::Os,
                "127.0.0.1:8786: the port is in use by pid 123 (raskr scheduler)",
            ),
            (DashboardError::InUse { address: address(), holder: None }, ErrorClass::Os, "the port is in use"),
            (
                DashboardError::Listen { address: address(), reason: "no".into() },
                ErrorClass::Os,
                "127.0.0.1:8786: can't listen there: no",
            ),
            (DashboardError::Text { what: "prefix", given: "ü".into() }, ErrorClass::Value, "prefix \"ü\""),
            (DashboardError::Thread { reason: "no".into() }, ErrorClass::Os, "could not be started: no"),
        ];
        for (error, class, words) in cases {
            assert_eq!(error.class(), class);
            assert!(error.to_string().contains(words), "{error}");
        }
    }
}
