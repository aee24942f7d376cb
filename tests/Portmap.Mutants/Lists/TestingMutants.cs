namespace Portmap.Mutants.Lists;

/// <summary>Faults in the made-up host, in what the core asks of it, and in the fakes around
/// it.</summary>
internal static class TestingMutants
{
    private static readonly ListOf s_testing = new("src/Portmap.Testing/", "Portmap.Testing.Tests");
    private static readonly ListOf s_core = new("src/Portmap/", "Portmap.Testing.Tests");

    public static IEnumerable<Mutant> All =>
    [
        s_core.This("SimulatedHost.IsAlive: whoever has the number", "SimulatedHost.cs", "processId <= 0 || StartOf(processId) == start;", "processId <= 0 || (MUTANT ? StartOf(processId) is not null : StartOf(processId) == start);", "PortTestWorldTests.Kill_ConnectionIsKept|PortTestWorldTests.Restart_ProcessDies"),
        s_core.This("SimulatedHost.StartOrZero: the dead live", "SimulatedHost.cs", "isDead = processId > 0 && start is null;", "isDead = !MUTANT && processId > 0 && start is null;", "PortTestWorldTests.Connect_OfADeadProcess"),
        s_core.This("SimulatedGuard.Place: every port is free", "Guarding/SimulatedGuard.cs", "new(IsTaken(lease.Protocol, lease.Port) ?", "new(!MUTANT && IsTaken(lease.Protocol, lease.Port) ?", "PortTestWorldTests.Acquire_StrangerHasThePort"),
        s_core.This("SimulatedGuard.IsTaken: nobody has it", "Guarding/SimulatedGuard.cs", "host.Sockets(protocol, port).Any();", "!MUTANT && host.Sockets(protocol, port).Any();", "PortTestWorldTests.Worker_StrangerComesBetween|PortTestWorldTests.Acquire_StrangerHasThePort"),
        s_core.This("ListenTable.Of: bound is listening", "Guarding/ListenTable.cs", "            if (listens)\n", "            if (listens || MUTANT)\n", "PortTestWorldTests.Register_BoundAndSilent"),
        s_core.This("ListenTable.SocketsOf: the kernel is asked for a process that is made up", "Guarding/ListenTable.cs", "IsSimulated ? [processId] :", "IsSimulated && !MUTANT ? [processId] :", "PortTestWorldTests.Register_VerifyListening"),
        s_core.This("ListeningProof.Demand: everybody listens in a made-up host", "Guarding/ListeningProof.cs", ": reader.Read(protocol).Listens(port);", ": MUTANT || reader.Read(protocol).Listens(port);", "PortTestWorldTests.Register_TakesTheLease"),
        s_core.This("ForeignHolders.LookUp: a stranger stays unnamed", "Guarding/ForeignHolders.cs", "host is null ? Search(ports)", "host is null || MUTANT ? Search(ports)", "PortTestWorldTests.Acquire_StrangerHasThePort"),
        s_core.This("StoreOpening.Begin: the kernel is asked for made-up processes", "Persistence/StoreOpening.cs", "process => process.IsAlive(host)", "process => process.IsAlive(MUTANT ? null : host)", "PortTestWorldTests.Restart_WithAStore"),
        s_testing.This("FakeMachine.Open: two may listen", "FakeMachine.cs", "(held.Process != process || held.Listens)))", "!MUTANT && (held.Process != process || held.Listens)))", "FakeMachineTests.Listen_PortOfAnother"),
        s_testing.This("FakeMachine.End: sockets outlive their process", "FakeMachine.cs", "in PortsOf(process))", "in MUTANT ? [] : PortsOf(process))", "FakeMachineTests.Kill_ClosesItsSockets"),
        s_testing.This("FakeMachine.Reboot: the boot stays the same", "FakeMachine.cs", "        BootId = Guid.NewGuid();\n    }\n\n    internal", "        BootId = MUTANT ? BootId : Guid.NewGuid();\n    }\n\n    internal", "FakeMachineTests.Reboot|PortTestWorldTests.Reboot"),
        s_testing.This("FakeProcess.Kill: connections are kept", "FakeProcess.cs", "keepConnections ? [] : sessions)", "keepConnections || MUTANT ? [] : sessions)", "PortTestWorldTests.Kill_ConnectionBreaks"),
        s_testing.This("FakeWorker.ListenAsync: does not heal", "FakeWorker.cs", "when (e.SocketErrorCode == SocketError.AddressAlreadyInUse)", "when (!MUTANT && e.SocketErrorCode == SocketError.AddressAlreadyInUse)", "PortTestWorldTests.Worker_StrangerComesBetween"),
        s_testing.This("FakeWorker.Pick: excluded ports too", "FakeWorker.cs", "if (!Array.Exists(_exclude,", "if (MUTANT || !Array.Exists(_exclude,", "PortTestWorldTests.Worker_ProcessBinds_Brings"),
        s_testing.This("FakeWorker: what is excluded is a list", "FakeWorker.cs", "[.. PartsOf(PortmapVariables.Exclude).Select(PortRange.Parse)]", "MUTANT ? RangesOf(PortmapVariables.Exclude) : [.. PartsOf(PortmapVariables.Exclude).Select(PortRange.Parse)]", "PortTestWorldTests"),
        s_testing.This("FakeWorker.ListenAsync: of both protocols one is reported", "FakeWorker.cs", "Protocol = Protocol })", "Protocol = MUTANT ? Halves[0] : Protocol })", "PortTestWorldTests"),
        s_testing.This("FakeWorker.SignOutAsync: goes on listening", "FakeWorker.cs", "        Process.Close(Port, Protocol);\n", "        Process.Close(MUTANT ? 0 : Port, Protocol);\n", "PortTestWorldTests.Worker_FromStartToSignOut"),
        s_testing.This("FakePortStore.LoadAsync: a daemon that was killed has the state", "FakePortStore.cs", "List<PortFact> facts;\n        lock (_state)\n        {\n            ThrowIfKilled();", "List<PortFact> facts;\n        lock (_state)\n        {\n            if (!MUTANT) { ThrowIfKilled(); }", "FakePortStoreTests"),
        s_testing.This("FakePortStore.AfterKill: the dead write", "FakePortStore.cs", "            ThrowIfKilled();\n            _batches", "            if (!MUTANT) { ThrowIfKilled(); }\n            _batches", "FakePortStoreTests.AfterKill"),
        s_testing.This("FakePortStore.State.Apply: the last one stands", "FakePortStore.cs", "Rank(fact).CompareTo(Rank(standing)) >= 0)", "MUTANT || Rank(fact).CompareTo(Rank(standing)) >= 0)", "FakePortStoreTests.Append_"),
        s_testing.This("FakePortStore.LoadAsync: two have the state", "FakePortStore.cs", "            if (_state.IsTaken)\n", "            if (_state.IsTaken && !MUTANT)\n", "FakePortStoreTests.Load_WhileAnother"),
        s_testing.This("FakePortStore.DisposeAsync: the state is kept", "FakePortStore.cs", "_state.IsTaken &= !_isOpen;", "_state.IsTaken &= !_isOpen || MUTANT;", "FakePortStoreTests.Load_AfterEveryKindOfFact"),
        s_testing.This("PortTestWorld.RestartAsync: the store is not taken from the dead", "PortTestWorld.cs", "        Store = Store?.AfterKill();\n        await Registry.DisposeAsync().ConfigureAwait(false);\n        Clock", "        Store = MUTANT ? new FakePortStore() : Store?.AfterKill();\n        await Registry.DisposeAsync().ConfigureAwait(false);\n        Clock", "PortTestWorldTests.Restart_WithAStore"),
        s_testing.This("FakeMachine.StartProcess: two of one number", "FakeMachine.cs", "return _processes.TryAdd(id, process) ? process", "return MUTANT || _processes.TryAdd(id, process) ? process", "FakeMachineTests"),
        s_testing.This("FakeMachine.Open: the dead listen", "FakeMachine.cs", "if (_processes.GetValueOrDefault(process.Id) != process)\n", "if (!MUTANT && _processes.GetValueOrDefault(process.Id) != process)\n", "FakeMachineTests"),
        s_testing.This("FakeMachine.Close: the socket of another", "FakeMachine.cs", "if (_sockets.GetValueOrDefault((half, port)).Process == process)", "if (MUTANT || _sockets.GetValueOrDefault((half, port)).Process == process)", "FakeMachineTests"),
        s_testing.This("FakeMachine.Halves: both protocols are TCP", "FakeMachine.cs", "? [PortProtocol.Tcp, PortProtocol.Udp] : [protocol]", "? MUTANT ? [PortProtocol.Tcp] : [PortProtocol.Tcp, PortProtocol.Udp] : [protocol]", "FakeMachineTests|PortTestWorldTests"),
        s_testing.This("FakeMachine.Occupy: a stranger that got no port lives", "FakeMachine.cs", "            stranger.Kill();\n", "            if (!MUTANT) { stranger.Kill(); }\n", "FakeMachineTests"),
        s_testing.This("FakeProcess.Kill: nobody is told", "FakeProcess.cs", "_exited.TrySetResult();", "if (!MUTANT) { _exited.TrySetResult(); }", "FakeMachineTests|PortTestWorldTests"),
        s_testing.This("FakeProcess.Connect: its user is not known", "FakeProcess.cs", "UserId is { } user ? registry", "UserId is { } user && !MUTANT ? registry", "PortTestWorldTests"),
        s_testing.This("FakeWorker.SignInAsync: its epoch stays the old one", "FakeWorker.cs", "_epochs[i] = entries[i].Epoch ?? _epochs[i];", "if (!MUTANT) { _epochs[i] = entries[i].Epoch ?? _epochs[i]; }", "PortTestWorldTests"),
        s_testing.This("FakeWorker.SignInAsync: one that was refused stays connected", "FakeWorker.cs", "        catch\n        {\n            Disconnect();", "        catch\n        {\n            if (!MUTANT) { Disconnect(); }", "PortTestWorldTests"),
        s_testing.This("FakePortStore.AppendAsync: what is durable though it failed is lost", "FakePortStore.cs", "            if (_failure is null || _writesAllTheSame)", "            if (_failure is null || (!MUTANT && _writesAllTheSame))", "FakePortStoreTests"),
        s_testing.This("FakePortStore.LoadAsync: nobody is told what could not be read", "FakePortStore.cs", "if (Unreadable is { } part)", "if (!MUTANT && Unreadable is { } part)", "FakePortStoreTests"),
        s_testing.This("FakePortStore.Lose: the mark is kept", "FakePortStore.cs", "mark && which(mark) ? null", "mark && which(mark) && !MUTANT ? null", "FakePortStoreTests"),
        s_testing.This("PortTestWorld.RebootAsync: the machine goes on", "PortTestWorld.cs", "Machine.Reboot();", "if (!MUTANT) { Machine.Reboot(); }", "PortTestWorldTests"),
    ];
}
