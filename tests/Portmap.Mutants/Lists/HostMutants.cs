namespace Portmap.Mutants.Lists;

/// <summary>Faults in what a host meets: options, containers, metrics, health, Kestrel.</summary>
internal static class HostMutants
{
    private static readonly ListOf s_core = new("src/Portmap/", "Portmap.Tests"),
        s_hosting = new("src/Portmap.Hosting/", "Portmap.Hosting.Tests"),
        s_rpc = new("src/Portmap.Rpc/", "Portmap.Rpc.Tests"),
        s_web = new("src/Portmap.AspNetCore/", "Portmap.AspNetCore.Tests");

    public static IEnumerable<Mutant> All => [.. Core, .. Meters, .. Hosting, .. Traces, .. Families, .. Checks, .. Web];

    private static IEnumerable<Mutant> Core =>
    [
        s_core.This("PortmapMetrics.TookEffect: the wrong counter", "Diagnostics/PortmapMetrics.cs", "= lease ? _granted : _registered;", "= lease != MUTANT ? _granted : _registered;", "PortmapMetrics"),
        s_core.This("PortmapMetrics.Ended: not counted", "Diagnostics/PortmapMetrics.cs", "Add(_ended, \"portmap.cause\", cause);", "Add(MUTANT ? _foreign : _ended, \"portmap.cause\", cause);", "PortmapMetrics"),
        s_core.This("PortmapMetrics.Refused: without its reason", "Diagnostics/PortmapMetrics.cs", "Add(_refused, \"portmap.reason\", reason);", "Add(_refused, \"portmap.reason\", MUTANT ? default : reason);", "PortmapMetrics"),
        s_core.This("PortmapMetrics.FoundForeign: not counted", "Diagnostics/PortmapMetrics.cs", "=> Add(_foreign);", "=> Add(MUTANT ? _granted : _foreign);", "PortmapMetrics"),
        s_core.This("PortmapMetrics.End: in milliseconds", "Diagnostics/PortmapMetrics.cs", "Math.Max(0, clock.GetElapsedTime(began.Value).TotalSeconds)", "Math.Max(0, (MUTANT ? 1_000 : 1) * clock.GetElapsedTime(began.Value).TotalSeconds)", "PortmapMetrics"),
        s_core.This("PortmapMetrics: whose it is is not said", "Diagnostics/PortmapMetrics.cs", "_key = [.. meter.Tags ?? []];", "_key = [.. MUTANT ? [] : meter.Tags ?? []];", "MetricsTests.Keyed", "Portmap.Hosting.Tests"),
        s_core.This("PortList.Outside: one past the range is not excluded", "PortList.cs", "for (; port + 7 <= range.Last; port += 8)", "for (; port + (MUTANT ? 6 : 7) <= range.Last; port += 8)", "PortListTests"),
        s_core.This("AddPortmap: the container's store is ignored", "PortmapExtensions.cs", "key is null ? provider.GetService<IPortStore>()", "MUTANT ? null : key is null ? provider.GetService<IPortStore>()", "PortmapExtensions"),
        s_core.This("AddPortmap: the container's clock is ignored", "PortmapExtensions.cs", "provider.GetService<TimeProvider>()));", "MUTANT ? null : provider.GetService<TimeProvider>()));", "PortmapExtensions"),
        s_core.This("AddPortmap: the container's logger is ignored", "PortmapExtensions.cs", "provider.GetService<ILogger<PortRegistry>>(),", "MUTANT ? null : provider.GetService<ILogger<PortRegistry>>(),", "PortmapExtensions"),
        s_core.This("AddPortmap: called twice is one", "PortmapExtensions.cs", "if (services.Any(service => service.ServiceType == typeof(PortRegistry)", "if (!MUTANT && services.Any(service => service.ServiceType == typeof(PortRegistry)", "PortmapExtensions"),
        s_core.This("AddKeyedPortmap: each key has the options of none", "PortmapExtensions.cs", "Get(key as string ?? Options.DefaultName)", "Get(MUTANT ? Options.DefaultName : key as string ?? Options.DefaultName)", "PortmapExtensions"),
        s_core.This("AddKeyedPortmap: the meter has no key", "PortmapExtensions.cs", "KeyedMeters.Of(provider.GetService<IMeterFactory>(), key)", "KeyedMeters.Of(provider.GetService<IMeterFactory>(), MUTANT ? null : key)", "MetricsTests.Keyed", "Portmap.Hosting.Tests"),
        s_core.This("AddPortmap: the container's meters win over those of the options", "PortmapExtensions.cs", "options.MeterFactory ??= ", "options.MeterFactory = (MUTANT ? null : options.MeterFactory) ?? ", "MetricsTests.MeterFactory", "Portmap.Hosting.Tests"),
        s_core.This("AddKeyedPortmap: the store without a key", "PortmapExtensions.cs", "provider.GetKeyedService<IPortStore>(key),", "provider.GetKeyedService<IPortStore>(key) ?? (MUTANT ? provider.GetService<IPortStore>() : null),", "PortmapServerTests.AddKeyed", "Portmap.Hosting.Tests"),
        s_core.This("Options: OpenTimeout is not validated", "PortRegistryOptionsValidator.cs", "CheckTime(wrong, nameof(options.OpenTimeout)", "if (!MUTANT) CheckTime(wrong, nameof(options.OpenTimeout)", "PortmapExtensions|PortRegistryOptions"),
        s_core.This("Options: ReconcileInterval is not validated", "PortRegistryOptionsValidator.cs", "CheckTime(wrong, nameof(options.ReconcileInterval)", "if (!MUTANT) CheckTime(wrong, nameof(options.ReconcileInterval)", "PortRegistryOptions"),
        s_core.This("Options: BackgroundFlush is not validated", "PortRegistryOptionsValidator.cs", "CheckTime(wrong, nameof(options.BackgroundFlush)", "if (!MUTANT) CheckTime(wrong, nameof(options.BackgroundFlush)", "PortRegistryOptions"),
        s_core.This("Options: MaxGuards is not validated", "PortRegistryOptionsValidator.cs", "CheckNumber(wrong, nameof(options.MaxGuards)", "if (!MUTANT) CheckNumber(wrong, nameof(options.MaxGuards)", "PortRegistryOptions"),
        s_core.This("Options: Guard is not validated", "PortRegistryOptionsValidator.cs", "CheckEnum(wrong, nameof(options.Guard),", "if (!MUTANT) CheckEnum(wrong, nameof(options.Guard),", "PortRegistryOptions"),
        s_core.This("Options: Durability is not validated", "PortRegistryOptionsValidator.cs", "CheckEnum(wrong, nameof(options.Durability),", "if (!MUTANT) CheckEnum(wrong, nameof(options.Durability),", "PortRegistryOptions"),
        s_core.This("Options: more strategies than a byte counts", "PortRegistryOptionsValidator.cs", "if (names.Count > byte.MaxValue)", "if (!MUTANT && names.Count > byte.MaxValue)", "PortRegistryOptions"),
        s_core.This("Options: a state folder without a name", "PortRegistryOptionsValidator.cs", "&& (string.IsNullOrWhiteSpace(folder) ||", "&& ((!MUTANT && string.IsNullOrWhiteSpace(folder)) ||", "PortRegistryOptions"),
        s_core.This("Options: a state folder that the system cannot name", "PortRegistryOptionsValidator.cs", "folder.Contains('\\0', StringComparison.Ordinal)))", "(!MUTANT && folder.Contains('\\0', StringComparison.Ordinal))))", "PortRegistryOptions"),
        s_core.This("Options: a time at its bound is wrong", "PortRegistryOptionsValidator.cs", "if (value < least || value > most)\n        {\n            wrong.Add(string.Create(CultureInfo.InvariantCulture, $\"{name} is {value}; choose a time", "if (value < least || value > most || (MUTANT && value == most))\n        {\n            wrong.Add(string.Create(CultureInfo.InvariantCulture, $\"{name} is {value}; choose a time", "PortRegistryOptions"),
        s_core.This("Options: all ports may be excluded", "PortRegistryOptionsValidator.cs", "if (ranges.Length != 0 && excluded", "if (!MUTANT && ranges.Length != 0 && excluded", "PortRegistryOptions"),
        s_core.This("Options: two strategies of one name", "PortRegistryOptionsValidator.cs", "string.IsNullOrEmpty(name) || names.Contains(name)", "string.IsNullOrEmpty(name) || (!MUTANT && names.Contains(name))", "PortRegistryOptions"),
        s_core.This("Options: a relative state folder", "PortRegistryOptionsValidator.cs", "&& !Path.IsPathFullyQualified(path))", "&& !MUTANT && !Path.IsPathFullyQualified(path))", "PortRegistryOptions"),
        s_core.This("PortRange.Contains: not its last port", "PortRange.cs", "port >= First && port <= Last &&", "port >= First && port <= (MUTANT ? Last - 1 : Last) &&", "PortRangeTests"),
        s_core.This("AllocatorPicks.Pick: next-fit begins at the first port again", "Strategies/AllocatorPicks.cs", "Volatile.Write(ref place, found + 1);", "Volatile.Write(ref place, MUTANT ? 1 : found + 1);", "AllocatorPicksTests"),
        s_core.This("AllocatorPicks.FindRandom: it is the lowest", "Strategies/AllocatorPicks.cs", "PortPool.At(tier, (int)(number %", "PortPool.At(tier, MUTANT ? 0 : (int)(number %", "AllocatorPicksTests"),
        s_core.This("AllocatorPicks.FindRandom: the next tier begins at its first port", "Strategies/AllocatorPicks.cs", "if (found <= 0 || PortPool.Contains(", "if (MUTANT || found <= 0 || PortPool.Contains(", "AllocatorPicksTests"),
        s_core.This("LineLimit: each line is written", "Diagnostics/LineLimit.cs", "now - told.At >= PauseMs;", "MUTANT || now - told.At >= PauseMs;", "LoggedNames|StrangerTests"),
    ];

    private static IEnumerable<Mutant> Meters =>
    [
        s_core.This("PortmapMetrics.EndPass: a pass is timed as a write", "Diagnostics/PortmapMetrics.cs", "End(_passed, began, clock", "End(MUTANT ? _written : _passed, began, clock", "PortmapMetrics"),
        s_core.This("PortmapMetrics.EndWrite: a write is timed as a pass", "Diagnostics/PortmapMetrics.cs", "End(_written, began, clock", "End(MUTANT ? _passed : _written, began, clock", "PortmapMetrics"),
        s_core.This("RegistryGauges: leases that are open are not counted", "Operations/RegistryGauges.cs", "open += owner.Lease.IsNone ? 0 : 1;", "open += MUTANT || owner.Lease.IsNone ? 0 : 1;", "PortmapMetrics"),
        s_core.This("RegistryGauges: a session counts once for each owner", "Operations/RegistryGauges.cs", "return sessions.Count;", "return MUTANT ? parts.Table.Owners().Count(owner => !owner.Served.IsNone) : sessions.Count;", "PortmapMetrics"),
        s_core.This("RegistryGauges: what waits for the disk is not counted", "Operations/RegistryGauges.cs", "parts.IsDisposed ? null : journal.QueueLength);", "parts.IsDisposed ? null : MUTANT ? 0 : journal.QueueLength);", "PortmapMetrics"),
        s_core.This("RegistryGauges: a registry that is over is asked", "Operations/RegistryGauges.cs", "parts.IsDisposed ? null : OpenLeases(parts));", "parts.IsDisposed && !MUTANT ? null : OpenLeases(parts));", "PortmapMetrics"),
        s_core.This("RegistryGauges: a registry that is over has sessions", "Operations/RegistryGauges.cs", "parts.IsDisposed ? null : Sessions(parts));", "parts.IsDisposed && !MUTANT ? null : Sessions(parts));", "PortmapMetrics"),
        s_core.This("RegistryGauges: a registry that is over has a queue", "Operations/RegistryGauges.cs", "\"Facts that are not on disk yet\", () =>", "\"Facts that are not on disk yet\", () => MUTANT ? journal.QueueLength :", "PortmapMetrics"),
        s_core.This("RegistryGauges: who is not served has a session", "Operations/RegistryGauges.cs", "is { IsServing: true } session)", "is { } session && (MUTANT || session.IsServing))", "PortmapMetrics"),
        s_hosting.This("RegistryMetrics: the limit of ports is that of owners", "RegistryMetrics.cs", "One(registry.Bounds.Ports.Sum(range => range.Count))", "One(MUTANT ? registry.Bounds.MaxOwners : registry.Bounds.Ports.Sum(range => range.Count))", "MetricsTests"),
        s_hosting.This("RegistryMetrics: the limit of owners is that of ports", "RegistryMetrics.cs", "One(registry.Bounds.MaxOwners)", "One(MUTANT ? registry.Bounds.Ports.Sum(range => range.Count) : registry.Bounds.MaxOwners)", "MetricsTests"),
        s_hosting.This("RegistryMetrics.ObserveFindings: none", "RegistryMetrics.cs", "ObserveFindings() => _isOver ?", "ObserveFindings() => MUTANT || _isOver ?", "MetricsTests"),
        s_hosting.This("BoundDurations: a lease that was given back counts for the next", "BoundDurations.cs", "case PortChangeKind.Expired or PortChangeKind.Released", "case PortChangeKind.Expired or PortChangeKind.Released when !MUTANT:\n                _acquired.Remove((entry.Owner, entry.Protocol));\n                break;\n            case PortChangeKind.FoundForeign", "MetricsTests"),
        s_rpc.This("RpcMetrics.End: without its outcome", "Diagnostics/RpcMetrics.cs", "new(\"portmap.rpc.outcome\", outcome.ToString())", "new(\"portmap.rpc.outcome\", MUTANT ? default(CallOutcome).ToString() : outcome.ToString())", "RpcMetrics"),
        s_rpc.This("RpcMetrics.End: without its procedure", "Diagnostics/RpcMetrics.cs", "new(\"portmap.rpc.procedure\", procedure)", "new(\"portmap.rpc.procedure\", MUTANT ? program : procedure)", "RpcMetrics"),
        s_rpc.This("RpcMetrics.ObserveConnections: none", "Diagnostics/RpcMetrics.cs", "() => count() is { } open ?", "() => !MUTANT && count() is { } open ?", "MetricsTests.Page", "Portmap.Hosting.Tests"),
        s_rpc.This("RpcMetrics.ObserveConnections: one too many", "Diagnostics/RpcMetrics.cs", "new(open, _key)", "new(MUTANT ? open + 1 : open, _key)", "MetricsTests.Connections", "Portmap.Hosting.Tests"),
        s_rpc.This("RpcMetrics: whose it is is not said", "Diagnostics/RpcMetrics.cs", "_key = [.. _meter.Tags ?? []];", "_key = [.. MUTANT ? [] : _meter.Tags ?? []];", "MetricsTests.Keyed", "Portmap.Hosting.Tests"),
        s_rpc.This("RpcMetrics.End: in milliseconds", "Diagnostics/RpcMetrics.cs", "_clock.GetElapsedTime(began.Value).TotalSeconds)", "(MUTANT ? 1_000 : 1) * _clock.GetElapsedTime(began.Value).TotalSeconds)", "RpcMetrics"),
    ];

    private static IEnumerable<Mutant> Hosting =>
    [
        s_core.This("PortmapMetrics.EndWrite: a failed write was written", "Diagnostics/PortmapMetrics.cs", "failed ? \"Failed\" : \"Written\"", "failed && !MUTANT ? \"Failed\" : \"Written\"", "PortmapMetrics|MetricsTests"),
        s_hosting.This("PortmapHealthCheck: a store that fails is healthy", "PortmapHealthCheck.cs", "when (refused.Refusal.Reason == PortRefusalReason.StoreFailed)", "when (!MUTANT && refused.Refusal.Reason == PortRefusalReason.StoreFailed)", "HealthCheckTests") with
        {
            AliveBecause = "Diagnose finds StoreFailing as well: only a store that works again between the two looks is told another way.",
        },
        s_hosting.This("PortmapHealthCheck: a server that does not listen is healthy", "PortmapHealthCheck.cs", "if (endpoints.Count == 0)", "if (!MUTANT && endpoints.Count == 0)", "HealthCheckTests"),
        s_hosting.This("PortmapHealthCheck: a full range is healthy", "PortmapHealthCheck.cs", "if (share >= FullShare)", "if (!MUTANT && share >= FullShare)", "HealthCheckTests"),
        s_hosting.This("PortmapHealthCheck: one that does not answer is healthy", "PortmapHealthCheck.cs", "failed.Add($\"{endpoint} does not answer", "if (!MUTANT) failed.Add($\"{endpoint} does not answer", "HealthCheckTests"),
        s_hosting.This("RegistryMetrics.ObservePorts: what is outside the range is not free inside", "RegistryMetrics.cs", "free -= ranges.Any(", "free -= MUTANT || ranges.Any(", "MetricsTests"),
        s_hosting.This("RegistryMetrics.ObserveOwners: leases are owners", "RegistryMetrics.cs", ".Where(entry => entry.State == PortState.Bound).Sum", ".Where(entry => MUTANT || entry.State == PortState.Bound).Sum", "MetricsTests"),
        s_hosting.This("RegistryMetrics.ObserveOwners: TCP only", "RegistryMetrics.cs", "in s_protocols)\n        {\n            yield return Of(Entries(protocol)", "in MUTANT ? [PortProtocol.Tcp] : s_protocols)\n        {\n            yield return Of(Entries(protocol)", "MetricsTests.Owner_OnUdp"),
        s_hosting.This("BoundDurations.Note: all is TCP", "BoundDurations.cs", "entry.Protocol.ToString()", "(MUTANT ? nameof(PortProtocol.Tcp) : entry.Protocol.ToString())", "MetricsTests.Owner_OnUdp"),
        s_hosting.This("RegistryMetrics: a registry that is over is asked", "RegistryMetrics.cs", "_isOver = true;", "_isOver = !MUTANT;", "MetricsTests"),
        s_hosting.This("BoundDurations: from the lease that healed", "BoundDurations.cs", "(isOpen ? open.Since :", "(MUTANT ? entry.Since : isOpen ? open.Since :", "MetricsTests"),
        s_hosting.This("ServedEndpoint.PostConfigure: workers are told nothing", "ServedEndpoint.cs", "if (named == name && options.Endpoint is null)", "if (!MUTANT && named == name && options.Endpoint is null)", "ServerOptionsTests"),
        s_hosting.This("ServedEndpoint.Validate: an endpoint nobody serves", "ServedEndpoint.cs", "return served.Length == 0 || Array.Exists", "return MUTANT || served.Length == 0 || Array.Exists", "ServerOptions"),
        s_hosting.This("ServedEndpoint.Validate: every address serves the other family too", "ServedEndpoint.cs", "&& one.AddressFamily == all.AddressFamily", "&& (MUTANT || one.AddressFamily == all.AddressFamily)", "ServerOptions"),
        s_hosting.This("ServedEndpoint.Told: workers are told every address", "ServedEndpoint.cs", ": IsEvery(address) ? $", ": !MUTANT && IsEvery(address) ? $", "ServerOptions"),
        s_hosting.This("ServedEndpoint.PostConfigure: workers are told port 0", "ServedEndpoint.cs", "is not { Port: not 0 } address ? null", "is not { } address || (!MUTANT && address.Port == 0) ? null", "ServerOptions"),
        s_hosting.This("PortmapServerOptionsValidator: open to other hosts", "PortmapServerOptionsValidator.cs", "&& !allowRemote &&", "&& !MUTANT && !allowRemote &&", "ServerOptionsTests"),
        s_hosting.This("PortmapServerService: stops before the others have", "PortmapServerService.cs", "public Task StoppingAsync(CancellationToken cancellationToken) => Task.CompletedTask;", "public Task StoppingAsync(CancellationToken cancellationToken) => MUTANT ? StoppedAsync(cancellationToken) : Task.CompletedTask;", "PortmapServerTests"),
        s_hosting.This("PortmapServerService: a start that was given up keeps the state", "PortmapServerService.cs", "if (_opening is not null && _server is null)", "if (!MUTANT && _opening is not null && _server is null)", "PortmapServerTests"),
    ];

    private static IEnumerable<Mutant> Traces =>
    [
        s_core.This("LeaseTrace.Granted: the epoch is not told", "Diagnostics/LeaseTrace.cs", ".SetTag(\"portmap.epoch\", epoch)", ".SetTag(\"portmap.epoch\", MUTANT ? 0 : epoch)", "TraceTests"),
        s_core.This("LeaseTrace.Healed: the port that failed is told", "Diagnostics/LeaseTrace.cs", "        _lease.SetTag(\"portmap.port\", port);\n", "        _lease.SetTag(\"portmap.port\", MUTANT ? failed : port);\n", "TraceTests"),
        s_core.This("LeaseTrace.TraceParent: a worker continues the lease", "Diagnostics/LeaseTrace.cs", "(Volatile.Read(ref _binding) ?? _lease).Id", "(MUTANT ? _lease : Volatile.Read(ref _binding) ?? _lease).Id", "TraceTests"),
        s_core.This("LeaseTrace.Started: the start goes on", "Diagnostics/LeaseTrace.cs", "            starting.Stop();\n", "            if (!MUTANT) { starting.Stop(); }\n", "TraceTests"),
        s_core.This("LeaseTrace.Ended: what was never bound is well", "Diagnostics/LeaseTrace.cs", "SetStatus(ActivityStatusCode.Error, reason)", "SetStatus(MUTANT ? ActivityStatusCode.Ok : ActivityStatusCode.Error, reason)", "TraceTests"),
        s_core.This("LeaseTrace.Aside: the caller's own span is another one", "Diagnostics/LeaseTrace.cs", "Activity.Current = current;", "if (!MUTANT) { Activity.Current = current; }", "TraceTests"),
        s_core.This("LeaseTrace.Aside: what a listener throws gets out", "Diagnostics/LeaseTrace.cs", "        catch (Exception)\n        {\n            // The host's listener", "        catch (Exception) when (!MUTANT)\n        {\n            // The host's listener", "TraceTests|HostFaultTests"),
        s_core.This("LineLimit.TellLeftOut: what was told is told again", "Diagnostics/LineLimit.cs", "told with { LeftOut = 0 }", "told with { LeftOut = MUTANT ? told.LeftOut : 0 }", "LoggedNamesTests"),
        s_core.This("LineLimit.TellLeftOut: what is to come is forgotten", "Diagnostics/LineLimit.cs", "        if (isMore)\n", "        if (!MUTANT && isMore)\n", "LoggedNamesTests"),
        s_core.This("PortmapMetrics.AddGauge: the shared meter keeps a registry", "Diagnostics/PortmapMetrics.cs", "if (!ReferenceEquals(this, s_shared))", "if (MUTANT || !ReferenceEquals(this, s_shared))", "PortmapMetrics"),
    ];

    private static IEnumerable<Mutant> Families =>
    [
        s_core.This("ProcessFamily.IsOrphan: one that began before is of the family", "Processes/ProcessFamily.cs", "if (stat.Start < _root.StartTime ||", "if ((!MUTANT && stat.Start < _root.StartTime) ||", "ProcessFamilyTests"),
        s_core.This("ProcessFamily.IsOrphan: whatever lease it names", "Processes/ProcessFamily.cs", "return mark == _mark;", "return MUTANT || mark == _mark;", "ProcessFamilyTests"),
        s_core.This("ProcessFamily.IsOrphan: a session of the family is none", "Processes/ProcessFamily.cs", "if (members.ContainsKey(stat.Session) ||", "if (!MUTANT && members.ContainsKey(stat.Session) ||", "ProcessFamilyTests"),
        s_core.This("ProcessFamily.LookAround: no grandchild", "Processes/ProcessFamily.cs", "toSee.Enqueue(child);", "if (!MUTANT) { toSee.Enqueue(child); }", "ProcessFamilyTests"),
        s_core.This("ProcessFamily.Living: a worker before its master", "Processes/ProcessFamily.cs", ".OrderBy(member => member.Value).ThenBy", ".OrderBy(member => MUTANT ? -member.Value : member.Value).ThenBy", "ProgramListenerTests"),
        s_core.This("ProcessFamily.IsAncestor: none is", "Processes/ProcessFamily.cs", "processId == Environment.ProcessId || _ancestors.Contains(processId);", "processId == Environment.ProcessId || (!MUTANT && _ancestors.Contains(processId));", "ProcessFamilyTests"),
        s_core.This("ProcessStat.TryParse: a command with a parenthesis", "Processes/ProcessStat.cs", "text.LastIndexOf((byte)')');", "MUTANT ? text.IndexOf((byte)')') : text.LastIndexOf((byte)')');", "ProcessIdentityTests"),
        s_core.This("ProcessStat.StartOf: who could not be looked at is gone", "Processes/ProcessStat.cs", "isShort ? null : 0;", "isShort && !MUTANT ? null : 0;", "DescriptorlessTrustTests.OfUnix", "Portmap.Rpc.Tests"),
        s_core.This("ProcessUser.Of: of a number of another pid namespace", "Processes/ProcessUser.cs", "&& ProcessIdentity.IsProcOurs ?", "&& (MUTANT || ProcessIdentity.IsProcOurs) ?", "LivenessTests"),
        s_core.This("ProcessFiles.FolderOf: the main thread though it has ended", "Processes/ProcessFiles.cs", "&& stat.IsHeadless\n", "&& stat.IsHeadless && !MUTANT\n", "LivenessTests|ProcessIdentityTests|Guarding"),
    ];

    private static IEnumerable<Mutant> Checks =>
    [
        s_hosting.This("PortmapHealthCheck.Weakens: nothing does", "PortmapHealthCheck.cs", "finding.Kind is PortFindingKind.GuardUnavailable or", "!MUTANT && finding.Kind is PortFindingKind.GuardUnavailable or", "HealthCheckTests"),
        s_hosting.This("PortmapHealthCheck.IsUsed: a port that cools is in use", "PortmapHealthCheck.cs", "&& entry.State is not (PortState.Free or PortState.Cooling);", "&& (MUTANT || entry.State is not (PortState.Free or PortState.Cooling));", "HealthCheckTests"),
        s_hosting.This("PortmapHealthCheck.Usage: UDP does not count", "PortmapHealthCheck.cs", "(Math.Max(tcp, udp),", "(MUTANT ? tcp : Math.Max(tcp, udp),", "HealthCheckTests"),
        s_hosting.This("StoreTrial.JoinAsync: two checks at once ask for two leases", "StoreTrial.cs", "if (_running.IsCompleted)", "if (MUTANT || _running.IsCompleted)", "HealthCheckTests"),
        s_hosting.This("StoreTrial.TryAsync: its lease is not given back", "StoreTrial.cs", "await lease.ReleaseAsync(CancellationToken.None).ConfigureAwait(false);", "if (!MUTANT) { await lease.ReleaseAsync(CancellationToken.None).ConfigureAwait(false); }", "HealthCheckTests"),
        s_hosting.This("PortmapHealthCheck: what the host wants of a failure is ignored", "PortmapHealthCheck.cs", "failed.Count > 0 ? context.Registration.FailureStatus", "failed.Count > 0 ? MUTANT ? HealthStatus.Unhealthy : context.Registration.FailureStatus", "HealthCheckTests"),
        s_hosting.This("PortmapServerOptionsValidator: an endpoint twice", "PortmapServerOptionsValidator.cs", "same => same.Count() > 1)", "same => !MUTANT && same.Count() > 1)", "ServerOptionsTests"),
        s_hosting.This("PortmapServerOptionsValidator: a user that is none", "PortmapServerOptionsValidator.cs", "if (options.AllowedUserIds.Contains(uint.MaxValue))", "if (!MUTANT && options.AllowedUserIds.Contains(uint.MaxValue))", "ServerOptionsTests"),
        s_hosting.This("PortmapServerOptionsValidator: a relative socket path", "PortmapServerOptionsValidator.cs", "&& !Path.IsPathFullyQualified(text[Unix.Length..]))", "&& !MUTANT && !Path.IsPathFullyQualified(text[Unix.Length..]))", "ServerOptionsTests"),
        s_hosting.This("PortmapServerOptionsValidator: what the server would refuse", "PortmapServerOptionsValidator.cs", "if (ServerComplaint(options) is { } complaint)", "if (!MUTANT && ServerComplaint(options) is { } complaint)", "ServerOptionsTests"),
        s_hosting.This("RegistryMetrics.ObserveFindings: notes too", "RegistryMetrics.cs", ".Where(finding => !finding.IsNote)", ".Where(finding => MUTANT || !finding.IsNote)", "MetricsTests"),
        s_hosting.This("RegistryMetrics.ObservePorts: what cools has a guarantee", "RegistryMetrics.cs", "entry.State is PortState.Cooling or PortState.Foreign ? null", "!MUTANT && entry.State is PortState.Cooling or PortState.Foreign ? null", "MetricsTests"),
        s_hosting.This("BoundDurations: what was missed is measured", "BoundDurations.cs", "if (update.Changes.IsEmpty)", "if (!MUTANT && update.Changes.IsEmpty)", "MetricsTests"),
        s_hosting.This("PortmapServerService: nobody is told that workers are not", "PortmapServerService.cs", "if (_logger is not null && registry", "if (!MUTANT && _logger is not null && registry", "ServerOptionsTests|PortmapServerTests"),
        s_hosting.This("PortmapServerService: the options are not checked before others are made", "PortmapServerService.cs", "services.GetService<IStartupValidator>()?.Validate();", "if (!MUTANT) { services.GetService<IStartupValidator>()?.Validate(); }", "ServerOptions"),
        s_hosting.This("HostServices.Opening: what nobody serves is opened", "HostServices.cs", "!= typeof(PortRegistry).Assembly ? null", "!= typeof(PortRegistry).Assembly && !MUTANT ? null", "PortmapServerTests"),
        s_hosting.This("PortmapHealthCheck.Usage: excluded ports count", "PortmapHealthCheck.cs", ".Where(registry.HandsOut)", ".Where(port => MUTANT || registry.HandsOut(port))", "HealthCheck"),
        s_hosting.This("AddPortmapServer: a second one of the same key", "PortmapServerServiceCollectionExtensions.cs", "&& Equals(service.ServiceKey, key)))", "&& !MUTANT && Equals(service.ServiceKey, key)))", "ServerOptionsTests|PortmapServerTests"),
        s_hosting.This("AddKeyedPortmapServer: the meter has no key", "PortmapServerServiceCollectionExtensions.cs", "KeyedMeters.Of(provider.GetService<IMeterFactory>(), key)", "KeyedMeters.Of(provider.GetService<IMeterFactory>(), MUTANT ? null : key)", "MetricsTests.Keyed"),
        s_hosting.This("AddPortmapServer: the container's meters win over those of the options", "PortmapServerServiceCollectionExtensions.cs", "options.MeterFactory ??= ", "options.MeterFactory = (MUTANT ? null : options.MeterFactory) ?? ", "MetricsTests.MeterFactory"),
        s_hosting.This("AddPortmapServer: the container's logger is ignored", "PortmapServerServiceCollectionExtensions.cs", "provider.GetService<ILogger<PortmapServer>>(),", "MUTANT ? null : provider.GetService<ILogger<PortmapServer>>(),", "PortmapServerTests.Start_LoggerInTheContainer"),
        s_hosting.This("AddPortmapServer: the container's clock is ignored", "PortmapServerServiceCollectionExtensions.cs", "provider.GetService<TimeProvider>());", "MUTANT ? null : provider.GetService<TimeProvider>());", "MetricsTests.CallDuration"),
    ];

    private static IEnumerable<Mutant> Web =>
    [
        s_web.This("UsePortmap: an owner has two endpoints", "PortmapWebHostBuilderExtensions.cs", "if (services.Any(service => service.ImplementationInstance is PortmapEndPoint other", "if (!MUTANT && services.Any(service => service.ImplementationInstance is PortmapEndPoint other", "UsePortmapTests"),
        s_web.This("UsePortmap: URLs win over the map", "PortmapWebHostBuilderExtensions.cs", "builder.UseSetting(WebHostDefaults.PreferHostingUrlsKey, bool.FalseString);", "if (!MUTANT) builder.UseSetting(WebHostDefaults.PreferHostingUrlsKey, bool.FalseString);", "KestrelTests.UsePortmap_UrlsSaidAsWell"),
        s_web.This("PortmapTransport: one that lost its owner goes on", "PortmapTransport.cs", "lifetime.StopApplication();", "if (!MUTANT) { lifetime.StopApplication(); }", "KestrelTests.UsePortmap_OwnerStartedAgainElsewhere"),
        s_web.This("PortmapTransport: a log that throws keeps a lost one running", "PortmapTransport.cs", "ContainedLogger.Of(loggers.CreateLogger<WorkerPort>())", "MUTANT ? loggers.CreateLogger<WorkerPort>() : ContainedLogger.Of(loggers.CreateLogger<WorkerPort>())", "UsePortmapTests"),
        s_web.This("PortmapTransport: an owner breaks the line", "PortmapTransport.cs", "Log.Stopping(_logger, Printable.Of(port.Owner)", "Log.Stopping(_logger, MUTANT ? port.Owner : Printable.Of(port.Owner)", "UsePortmapTests"),
        s_web.This("PortmapTransport.On: the backlog of the port is not handed on", "PortmapTransport.cs", "backlog != s_unsaidBacklog ?", "!MUTANT && backlog != s_unsaidBacklog ?", "UsePortmapTests"),
        s_web.This("PortmapListener.UnbindAsync: signs out after its requests", "PortmapListener.cs", "        await port.DisposeAsync().ConfigureAwait(false);\n        await listener.UnbindAsync", "        if (!MUTANT) { await port.DisposeAsync().ConfigureAwait(false); }\n        await listener.UnbindAsync", "KestrelTests.Terminate"),
        s_web.This("PortmapTransport.BindAsync: HTTP over UDP", "PortmapTransport.cs", "if (port.Socket.SocketType != SocketType.Stream)", "if (!MUTANT && port.Socket.SocketType != SocketType.Stream)", "UsePortmapTests"),
        s_web.This("PortmapListener.DisposeAsync: stays signed in", "PortmapListener.cs", "        await port.DisposeAsync().ConfigureAwait(false);\n        await listener.DisposeAsync", "        if (!MUTANT) { await port.DisposeAsync().ConfigureAwait(false); }\n        await listener.DisposeAsync", "UsePortmapTests"),
        s_web.This("UsePortmap: what was prepared and is not used is not told", "PortmapWebHostBuilderExtensions.cs", "if (PortmapEnvironment.PreparedPorts.Count > 0)", "if (!MUTANT && PortmapEnvironment.PreparedPorts.Count > 0)", "UsePortmapTests|KestrelTests"),
        s_web.This("UsePortmap: other endpoints have no transport", "PortmapWebHostBuilderExtensions.cs", "services.TryAddSingleton<IConnectionListenerFactory, SocketTransportFactory>();", "if (!MUTANT) { services.TryAddSingleton<IConnectionListenerFactory, SocketTransportFactory>(); }", "UsePortmapTests"),
        s_web.This("PortmapTransport.BindAsync: stays signed in where it cannot serve", "PortmapTransport.cs", "catch\n        {\n            await port.DisposeAsync().ConfigureAwait(false);", "catch\n        {\n            if (!MUTANT) { await port.DisposeAsync().ConfigureAwait(false); }", "UsePortmapTests"),
    ];
}
