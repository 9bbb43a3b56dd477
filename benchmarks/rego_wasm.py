"""OPA's Wasm in wasmtime, by OPA's documented ABI; builtins of the host are ours."""

import json
import tarfile

from wasmtime import Engine, Func, FuncType, Instance, Limits, Memory, MemoryType, Module, Store

from maestro.rego import documents
from maestro.rego.builtins import standard


class WasmPolicy:
    """One bundle's module with its data."""

    def __init__(self, bundle, data):
        with tarfile.open(bundle) as archive:
            code = archive.extractfile("/policy.wasm").read()
        self.store = Store(Engine())
        self.memory = Memory(self.store, MemoryType(Limits(64, None)))
        module = Module(self.store.engine, code)
        instance = Instance(self.store, module, [self._import(one) for one in module.imports])
        self.exports = instance.exports(self.store)
        names = json.loads(self._json(self._call("builtins")))
        self.builtins = {number: standard().get(name) for name, number in names.items()}
        self.data = self._value(json.dumps(data).encode())
        self.heap = self._call("opa_heap_ptr_get")

    def _import(self, wanted):
        if wanted.name == "memory":
            return self.memory
        kind = wanted.type
        if wanted.name.startswith("opa_builtin"):
            return Func(self.store, kind, self._builtin)
        return Func(self.store, FuncType(kind.params, kind.results), lambda *_: None)

    def _builtin(self, number, _context, *args):
        found = self.builtins[number]
        given = [documents.parse(self._json(arg).encode()) for arg in args]
        return self._value(documents.encode(found.function(*([None] if found.context else []), *given)))

    def _call(self, name, *args):
        return self.exports[name](self.store, *args)

    def _value(self, text):
        address = self._call("opa_malloc", len(text))
        self.memory.write(self.store, text, address)
        return self._call("opa_json_parse", address, len(text))

    def _json(self, address):
        start = end = self._call("opa_json_dump", address)
        while self.memory.read(self.store, end, end + 1)[0]:
            end += 1
        return bytes(self.memory.read(self.store, start, end)).decode()

    def ask(self, body):
        """The fast path of the ABI: input and answer as JSON text in the module's memory."""
        self.memory.write(self.store, body, self.heap)
        end = self.heap + len(body)
        start = self._call("opa_eval", 0, 0, self.data, self.heap, len(body), end, 0)
        text = self.memory.read(self.store, start, min(start + 65536, self.memory.data_len(self.store)))
        return json.dumps(json.loads(bytes(text).partition(b"\0")[0])[0]["result"]).encode()
