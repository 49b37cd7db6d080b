//! What the two services have in common.

use std::collections::HashMap;
use tonic::{Response, Status};

/// The reply of a call.
pub type Reply<T> = Result<Response<T>, Status>;

/// What `async_trait` makes of `async fn`: it does not look into other macros.
pub type Later<'a, T> = std::pin::Pin<Box<dyn Future<Output = Reply<T>> + Send + 'a>>;

/// Whether labels match a selector.
pub fn selected(labels: &HashMap<String, String>, by: &HashMap<String, String>) -> bool {
    by.iter().all(|(k, v)| labels.get(k) == Some(v))
}

macro_rules! unimplemented_calls {
    ($($name:ident($request:ident) -> $response:ident;)*) => {
        $( fn $name<'life0, 'async_trait>(
            &'life0 self,
            _: Request<cri::$request>,
        ) -> Later<'async_trait, cri::$response>
        where
            'life0: 'async_trait,
            Self: 'async_trait,
        {
            Box::pin(async { Err(Status::unimplemented(stringify!($name))) })
        } )*
    };
}

pub(super) use unimplemented_calls;
