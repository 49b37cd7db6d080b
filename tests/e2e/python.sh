# What the Python example needs, made once and kept; sets $python to what runs it, with the
# example's messages and the tests' own programs in the working directory.
# shellcheck shell=bash
venv=$OI_CACHE/examples/python
mkdir -p "$OI_CACHE"
(
  flock 9
  requirements=$repo_dir/examples/python/requirements.txt
  if ! stamped example-python "$(cat "$requirements")"; then
    python3 -m venv "$venv"
    "$venv/bin/pip" install -q --disable-pip-version-check -r "$requirements"
    stamp example-python "$(cat "$requirements")"
  fi
) 9>"$OI_CACHE/example-python.lock"
cp "$repo_dir/examples/python/oi_example.py" "$repo_dir/tests/e2e/attempt.py" .
"$venv/bin/python" -m grpc_tools.protoc -I "$repo_dir/proto" --python_out=. oi/v1/oi.proto
python=("$venv/bin/python")
