//! Lists in pages. Anybody may make objects of any number and size in a cluster, and answers of an
//! API are read up to 8 MiB.

use crate::place::{Reply, Request, Verb, items, version};
use crate::steps::StepError;
use serde_json::{Value, json};

/// What is kept of an object; none where it does not matter.
pub type Keep = fn(Value) -> Option<Value>;

/// A list that is read page by page.
pub struct Pages {
    verb: Verb,
    path: String,
    size: usize,
    keep: Keep,
    /// Where the next page begins; none after the last one.
    next: Option<String>,
}

/// A page of a list.
pub struct Page {
    /// What is kept of its objects.
    pub items: Vec<Value>,
    /// The version of the whole list.
    pub version: String,
}

impl Pages {
    /// A list, with so many objects in a page.
    pub fn new(path: impl Into<String>, size: usize, keep: Keep) -> Pages {
        let (path, next) = (path.into(), Some(String::new()));
        Pages { verb: Verb::Get, path, size, keep, next }
    }

    /// The same without the contents of the objects: what names them, and who made them.
    pub fn of_metadata(path: impl Into<String>, size: usize) -> Pages {
        Pages { verb: Verb::Metadata, ..Pages::new(path, size, metadata) }
    }

    /// The request for the next page; none after the last one.
    pub fn request(&self) -> Option<Request> {
        let from = self.next.as_ref()?;
        let joint = if self.path.contains('?') { '&' } else { '?' };
        let path = format!("{}{joint}limit={}&continue={from}", self.path, self.size);
        Some(Request { verb: self.verb, path, body: Vec::new() })
    }

    /// The page in a reply. None where its objects are too large for one answer: the next request
    /// asks for a smaller one.
    ///
    /// # Errors
    /// Where the API refuses, or a single object is too large.
    pub fn take(&mut self, reply: &Reply) -> Result<Option<Page>, StepError> {
        if reply.is_too_long() && self.size > 1 {
            self.size = (self.size / 4).max(1);
            return Ok(None);
        }
        let mut list = reply.object()?;
        let more = list["metadata"]["continue"].as_str().filter(|more| !more.is_empty());
        self.next = more.map(str::to_owned);
        let version = version(&list)?.to_owned();
        items(&list)?;
        let all = list["items"].as_array_mut().map(std::mem::take).into_iter().flatten();
        Ok(Some(Page { items: all.filter_map(self.keep).collect(), version }))
    }
}

/// Annotations and the like may be large.
fn metadata(object: Value) -> Option<Value> {
    let all = &object["metadata"];
    let managers = all["managedFields"].as_array().into_iter().flatten();
    let managers = managers.map(|m| json!({"manager": m["manager"], "operation": m["operation"]}));
    let mut kept = json!({"managedFields": managers.collect::<Vec<_>>()});
    for field in ["name", "namespace", "uid", "resourceVersion", "creationTimestamp"] {
        if let Some(value) = all.get(field) {
            kept[field] = value.clone();
        }
    }
    Some(json!({"metadata": kept}))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::place::KubeError;

    /// Answers as an API would that has objects of these sizes, up to 8.
    fn api(sizes: &[usize], path: &str) -> Reply {
        let after = |word: &str| path.split_once(word).unwrap().1.split('&').next().unwrap();
        let limit: usize = after("limit=").parse().unwrap();
        let from = match after("continue=") {
            "" => 0,
            token => token.parse().unwrap(),
        };
        let page = &sizes[from..sizes.len().min(from + limit)];
        if page.iter().sum::<usize>() > 8 {
            return Reply::too_long(&KubeError::TooLong("here".to_owned()));
        }
        let end = from + page.len();
        let more = if end < sizes.len() { end.to_string() } else { String::new() };
        let list = json!({"metadata": {"continue": more, "resourceVersion": "1"}, "items": page});
        Reply { status: 200, body: list.to_string().into_bytes() }
    }

    fn read(sizes: &[usize]) -> Result<Vec<usize>, StepError> {
        let mut pages = Pages::new("/all?x=y", 100, Some);
        let mut all = Vec::new();
        while let Some(request) = pages.request() {
            let page = pages.take(&api(sizes, &request.path))?;
            let items = page.into_iter().flat_map(|page| page.items);
            all.extend(items.map(|n| usize::try_from(n.as_u64().unwrap()).unwrap()));
        }
        Ok(all)
    }

    #[test]
    fn however_many_and_large_objects_are_all_are_read() {
        for sizes in [vec![], vec![1], vec![1; 5000], vec![8; 9], vec![1, 8, 1, 1, 8]] {
            assert_eq!(read(&sizes).unwrap(), sizes);
        }
        read(&[1, 9]).unwrap_err();
    }

    #[test]
    fn what_is_large_is_not_kept() {
        let large = "x".repeat(1000);
        let manager = json!({"manager": "oi", "operation": "Apply", "fieldsV1": {"f": large}});
        let object = json!({"metadata": {
            "name": "a", "uid": "u", "annotations": {"a": large}, "labels": {"l": large},
            "managedFields": [manager],
        }});
        let kept = metadata(object).unwrap();
        assert!(kept.to_string().len() < 200, "{kept}");
        assert!(super::super::object::is_ours(&kept));
    }
}
