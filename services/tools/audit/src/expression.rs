//! Conditions over a state, in the Common Expression Language (as Kubernetes uses it).

use cel::{Context, Env, ExecutionError, Program, Value};
use oi_domain::State;
use std::sync::Arc;

/// Why a condition has no answer.
#[derive(Debug, thiserror::Error)]
pub enum ExpressionError {
    /// It is not CEL.
    #[error("{text:?} is not an expression: {problem}")]
    Syntax {
        /// What was given.
        text: String,
        /// What is wrong with it.
        problem: String,
    },
    /// It is neither true nor false.
    #[error("{text:?} gives {found}, not true or false")]
    NotBoolean {
        /// What was given.
        text: String,
        /// What it gives.
        found: String,
    },
    /// It cannot be answered, whatever the state.
    #[error("{text:?} has no answer: {problem}")]
    Failed {
        /// What was given.
        text: String,
        /// What is wrong with it.
        problem: String,
    },
    /// The state cannot be looked at.
    #[error("the state cannot be given to an expression")]
    State(#[source] Box<dyn std::error::Error + Send + Sync>),
}

/// A condition over `state`, which has the fields that `oi-audit replay --state` shows.
pub struct Condition {
    text: String,
    env: Arc<Env>,
    program: Program,
}

impl Condition {
    /// Reads an expression.
    ///
    /// # Errors
    /// Where it is none.
    pub fn parse(text: &str) -> Result<Condition, ExpressionError> {
        let env = Arc::new(Env::stdlib());
        let program = env.compile(text).map_err(|e| ExpressionError::Syntax {
            text: text.to_owned(),
            problem: e.to_string(),
        })?;
        Ok(Condition { text: text.to_owned(), env, program })
    }

    /// Whether it holds. What is not there (a cluster of that name, say) makes it false.
    ///
    /// # Errors
    /// Where it gives neither true nor false, or the state cannot be shown.
    pub fn holds(&self, state: &State) -> Result<bool, ExpressionError> {
        let mut context = Context::with_env(self.env.clone());
        let shown = oi_inspect::render(state).map_err(|e| ExpressionError::State(e.into()))?;
        context.add_variable("state", shown).map_err(|e| ExpressionError::State(e.into()))?;
        let text = || self.text.clone();
        match self.program.execute(&context) {
            Ok(Value::Bool(holds)) => Ok(holds),
            Ok(other) => {
                Err(ExpressionError::NotBoolean { text: text(), found: format!("{other:?}") })
            }
            // CEL has an error, not a false, for a field that is not there, and another one for
            // a field of what has none.
            Err(
                ExecutionError::NoSuchKey(_)
                | ExecutionError::NoSuchOverload(_)
                | ExecutionError::IndexOutOfBounds(_),
            ) => Ok(false),
            Err(error) => Err(ExpressionError::Failed { text: text(), problem: error.to_string() }),
        }
    }
}
