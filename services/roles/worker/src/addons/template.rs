//! Objects from YAML templates.

use super::Object;
use super::object::LABEL;
use oi_domain::Rejection;
use serde::Deserialize;
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// Why a template gives no objects.
#[derive(Debug, thiserror::Error)]
pub enum TemplateError {
    /// It is not YAML.
    #[error("a template of add-ons is not YAML")]
    Yaml(#[from] serde_yaml_ng::Error),
    /// It uses a value that it was not given.
    #[error("a template of add-ons uses an unknown value {0:?}")]
    Unknown(String),
    /// The cluster's Services have no address for it.
    #[error("an add-on has no address")]
    Address(#[from] Rejection),
}

/// The values of a template.
pub type Values<'a> = BTreeMap<&'a str, Value>;

/// The objects of a template, each with the label of add-ons.
///
/// `${name}` in a string stands for a value. A string that is nothing else takes the value's
/// type, so that `replicas: ${replicas}` is a number.
pub fn render(template: &str, values: &Values<'_>) -> Result<Vec<Object>, TemplateError> {
    let documents = serde_yaml_ng::Deserializer::from_str(template);
    let object = |document| {
        let mut object = fill(Value::deserialize(document)?, values)?;
        object["metadata"]["labels"][LABEL] = json!("true");
        Ok(Object(object))
    };
    documents.map(object).collect()
}

fn fill(node: Value, values: &Values<'_>) -> Result<Value, TemplateError> {
    Ok(match node {
        Value::String(text) => fill_text(&text, values)?,
        Value::Array(items) => {
            let items = items.into_iter().map(|item| fill(item, values));
            Value::Array(items.collect::<Result<_, _>>()?)
        }
        Value::Object(fields) => {
            let fields = fields.into_iter().map(|(k, v)| Ok((k, fill(v, values)?)));
            Value::Object(fields.collect::<Result<_, TemplateError>>()?)
        }
        other => other,
    })
}

fn fill_text(text: &str, values: &Values<'_>) -> Result<Value, TemplateError> {
    let value = |name: &str| {
        values.get(name).ok_or_else(|| TemplateError::Unknown(name.to_owned())).cloned()
    };
    let (mut filled, mut rest) = (String::new(), text);
    while let Some((before, after)) = rest.split_once("${") {
        let Some((name, after)) = after.split_once('}') else { break };
        let value = value(name)?;
        if before.is_empty() && filled.is_empty() && after.is_empty() {
            return Ok(value);
        }
        filled.push_str(before);
        match value {
            Value::String(text) => filled.push_str(&text),
            other => filled.push_str(&other.to_string()),
        }
        rest = after;
    }
    Ok(Value::String(filled + rest))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn values_fill_strings_and_keep_their_types() {
        let template = "metadata: {name: 'a-${name}'}\nspec:\n  n: ${n}\n  all: ['${n} of ${n}']\n";
        let values = Values::from([("name", json!("x")), ("n", json!(3))]);
        let Object(object) = render(template, &values).unwrap().remove(0);
        assert_eq!(object["metadata"]["name"], "a-x");
        assert_eq!(object["spec"], json!({"n": 3, "all": ["3 of 3"]}));
        assert!(matches!(
            render(template, &Values::new()),
            Err(TemplateError::Unknown(name)) if name == "name"
        ));
    }
}
