//! haproxy's console.

use crate::place::Place;
use crate::steps::StepError;
use std::time::Duration;

/// How often haproxy is asked. The pause grows by this much each time.
const TRIES: u32 = 10;
const PAUSE: Duration = Duration::from_millis(50);

/// Asks haproxy what it runs with.
pub async fn info(place: &Place, console: &str) -> Result<String, StepError> {
    Ok(place.console(console, "@1 show info").await?)
}

/// Makes haproxy run with the configuration of that mark. A reload loses no connection; a restart
/// would.
pub async fn reload(place: &Place, console: &str, mark: &str) -> Result<(), StepError> {
    let mut answer = String::new();
    for attempt in 0..TRIES {
        match info(place, console).await {
            Ok(info) if info.contains(mark) => return Ok(()),
            Ok(_) => answer = place.console(console, "reload").await?,
            // It started a moment ago, and its console comes next.
            Err(error) => answer = error.to_string(),
        }
        tokio::time::sleep(PAUSE * (attempt + 1)).await;
    }
    Err(StepError::Ingress(answer))
}
