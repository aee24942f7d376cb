namespace Portmap.Mutants.Lists;

/// <summary>Faults in what a fleet reads and writes at etcd, and in what the registry makes of
/// it.</summary>
internal static class FleetMutants
{
    private static readonly ListOf s_fleet = new("src/Portmap.Etcd/", "Portmap.Etcd.Tests");
    private static readonly ListOf s_core = new("src/Portmap/", "Portmap.Tests");

    public static IEnumerable<Mutant> All =>
    [
        s_fleet.This("Publisher.SendAsync: a batch of before a failure counts late", "Publishing/Publisher.cs", "new Batch(Txn.When(Txn.IsModifiedAt(keys.Host, term.HostRevision)), [])", "new Batch(MUTANT ? Txn.When() : Txn.When(Txn.IsModifiedAt(keys.Host, term.HostRevision)), [])", "FenceTests"),
        s_fleet.This("Publisher.SendAsync: what was released stays", "Publishing/Publisher.cs", "isWanted ? Txn.Put(key, wanted.ToValue(), term.Id) : Txn.Delete(key)", "isWanted || MUTANT ? Txn.Put(key, wanted.ToValue(), term.Id) : Txn.Delete(key)", "PublishTests.Publish_Released"),
        s_fleet.This("Publisher.CompareAsync: what nobody serves is not looked for", "Publishing/Publisher.cs", "if (!TryGetWanted(owner, out PublishedEntry wanted) || wanted != _published[owner])", "if (!MUTANT && (!TryGetWanted(owner, out PublishedEntry wanted) || wanted != _published[owner]))", "DisasterTests.EtcdRestored"),
        s_fleet.This("Publisher.CompareAsync: what is missing is not looked for", "Publishing/Publisher.cs", "if (!_published.ContainsKey(owner))", "if (!MUTANT && !_published.ContainsKey(owner))", "PublishTests.Publish_ChangesLost|PublishTests.Publish_EtcdAbsent"),
        s_fleet.This("HostLease.ClaimHostAsync: two daemons of one name", "Leasing/HostLease.cs", "if (found.Lease != term.Id && other.Instance", "if (!MUTANT && found.Lease != term.Id && other.Instance", "DisasterTests.TwoDaemons"),
        s_fleet.This("HostRecord.IsOfDeadProcessHere: nobody is dead", "Leasing/HostRecord.cs", "Boot != Guid.Empty && Boot == BootIdentity.Current", "!MUTANT && Boot != Guid.Empty && Boot == BootIdentity.Current", "DisasterTests.PublisherKilled_StartedAgain"),
        s_fleet.This("MirrorIndex.Store: the earlier of several hosts first", "Mirroring/MirrorIndex.cs", "other => other.Revision <= entry.Revision);", "other => MUTANT ? other.Revision > entry.Revision : other.Revision <= entry.Revision);", "FleetMapTests.TryFind_OwnerOfSeveralHosts"),
        s_fleet.This("MirrorIndex.Replace: what is gone stays", "Mirroring/MirrorIndex.cs", "Maps maps = new(listing.Count - udp, udp);", "Maps maps = MUTANT ? _maps : new(listing.Count - udp, udp);", "FleetMapTests.Map_Compacted"),
        s_fleet.This("Follower.HasSameHistoryAsync: any history of the same numbers", "Mirroring/Follower.cs", "&& found.Value == anchor.Value;", "&& (MUTANT || found.Value == anchor.Value);", "FleetMapTests.Map_EtcdHasAnotherMark"),
        s_fleet.This("Follower.WatchAsync: one change is told twice or skipped", "Mirroring/Follower.cs", "change.Kv.ModRevision > index.Revision", "change.Kv.ModRevision > index.Revision + (MUTANT ? 1 : 0)", "FleetMapTests.Map_OneChangeAfterTheListing"),
        s_fleet.This("FleetMap.IsRefusing: answers however old", "FleetMap.cs", "&& Staleness > _options.MaxStaleness;", "&& !MUTANT && Staleness > _options.MaxStaleness;", "FleetMapTests.Staleness"),
        s_fleet.This("FleetOwners.ClaimAsync: two hosts hold an owner", "FleetOwners.cs", "Txn.When(Txn.IsAbsent(key), Txn.HasLease(_keys.Host, term.Id))", "(MUTANT ? Txn.When(Txn.HasLease(_keys.Host, term.Id)) : Txn.When(Txn.IsAbsent(key), Txn.HasLease(_keys.Host, term.Id)))", "FleetOwnersTests.ClaimAsync_After|FleetOwnersTests.ClaimAsync_Fifty"),
        s_fleet.This("FleetOwners.KeepAsync: a holder does not know that it lost", "FleetOwners.cs", "if (left <= TimeSpan.Zero)", "if (!MUTANT && left <= TimeSpan.Zero)", "FleetOwnersTests.Claim_EtcdAway"),
        s_fleet.This("FleetOwners.VerifyAsync: a claim that etcd forgot is held", "FleetOwners.cs", "if (response.Kvs is not [var found] || found.CreateRevision != claim.Epoch)", "if (!MUTANT && (response.Kvs is not [var found] || found.CreateRevision != claim.Epoch))", "FleetOwnersTests.Claim_EtcdRestored"),
        s_fleet.This("FleetKeys.EndOf: the last key of a prefix is left out", "FleetKeys.cs", "end[^1]++;", "end[^1] += (byte)(MUTANT ? 0 : 1);", "FleetKeysTests"),
        s_fleet.This("Listing.Cuts: between hosts in the order of their names", "Connecting/Listing.cs", "begins.Sort(static (a, b) => a.Span.SequenceCompareTo(b.Span));", "if (!MUTANT) { begins.Sort(static (a, b) => a.Span.SequenceCompareTo(b.Span)); }", "ListingTests.ReadAllAsync_Hosts"),
        s_fleet.This("Listing.Cuts: what comes after the last host is left out", "Connecting/Listing.cs", "cuts.Add(FleetKeys.EndOf(keys.Root));", "cuts.Add(MUTANT ? keys.EntriesOf(\"y\"u8, PortProtocol.Udp) : FleetKeys.EndOf(keys.Root));", "ListingTests.ReadAllAsync_Hosts"),
        s_fleet.This("Lifetime.Left: the wall clock alone", "Leasing/Lifetime.cs", "passed = _time.GetElapsedTime(_timestamp)", "passed = MUTANT ? TimeSpan.Zero : _time.GetElapsedTime(_timestamp)", "LifetimeTests"),
        s_fleet.This("Lifetime.Left: timestamps alone", "Leasing/Lifetime.cs", "byWall = _time.GetUtcNow() - _wall;", "byWall = MUTANT ? TimeSpan.Zero : _time.GetUtcNow() - _wall;", "LifetimeTests"),
        s_fleet.This("PortmapFleet.Start: one that only looks takes a lease", "PortmapFleet.cs", "List<Task> loops = _options.ReadOnly ? []", "List<Task> loops = _options.ReadOnly && !MUTANT ? []", "ReadOnlyTests"),
        s_fleet.This("PortmapFleet.DisposeAsync: the registry stays joined", "PortmapFleet.cs", "_joined?.Dispose();", "if (!MUTANT) { _joined?.Dispose(); }", "FleetScopeTests.Fleet_Disposed"),
        s_fleet.This("FleetOwners.ClaimAsync: one that only looks claims", "FleetOwners.cs", "if (_options.ReadOnly)", "if (!MUTANT && _options.ReadOnly)", "ReadOnlyTests.ReadOnly_InAFleet"),
        s_fleet.This("EtcdClient.Failed: a user that is missing is waited for", "Connecting/EtcdClient.cs", "if (failure.Failure == EtcdFailure.TokenGone && _options.User is null)", "if (!MUTANT && failure.Failure == EtcdFailure.TokenGone && _options.User is null)", "RoleTests.Publish_WrongPassword"),
        s_fleet.This("FleetHealthCheck: without a lease all is well", "Diagnostics/FleetHealthCheck.cs", "bool isFailed = !status.IsConnected", "bool isFailed = (!MUTANT && !status.IsConnected)", "FleetHealthCheckTests.Check_NoEtcd"),
        s_fleet.This("FleetMetrics.EndBatch: a batch that was written failed", "Diagnostics/FleetMetrics.cs", "isWritten ? \"Written\" : \"Failed\"", "isWritten && !MUTANT ? \"Written\" : \"Failed\"", "FleetMetricsTests.Meter_HostThat"),
        s_core.This("FleetBonds.Serves: an owner that was lost is answered", "Operations/FleetBonds.cs", "out Tie? tie) || tie.Bond.IsHeld)", "out Tie? tie) || MUTANT || tie.Bond.IsHeld)", "PortScopeTests.Lookup_Claim"),
        s_core.This("FleetBonds.Lose: the lease does not say why", "Operations/FleetBonds.cs", "lease.SetOutcome(Lost(lease, tie.Bond));", "if (!MUTANT) { lease.SetOutcome(Lost(lease, tie.Bond)); }", "PortScopeTests.Lost_OpenLease"),
        s_core.This("FleetBonds.Lose: the registration stays", "Operations/FleetBonds.cs", "End(lease.Claim);", "if (!MUTANT) { End(lease.Claim); }", "PortScopeTests.Lost_Registered"),
        s_core.This("FleetBonds.Untie: given back with the first of two protocols", "Operations/FleetBonds.cs", "&& !IsInForce(lease, lease.Twin))", "&& (MUTANT || !IsInForce(lease, lease.Twin)))", "PortScopeTests.Claim_BothProtocols"),
        s_core.This("FleetBonds.IsInForce: given back when it goes on over another session", "Operations/FleetBonds.cs", "_ => _table.FindServed(half.Protocol, lease.Owner).IsOf(half.Epoch),", "_ => !MUTANT && _table.FindServed(half.Protocol, lease.Owner).IsOf(half.Epoch),", "PortScopeTests.Claim_LeaseHealed"),
        s_core.This("FleetAcquisition.RunAsync: what was claimed for a refused one is kept", "Operations/FleetAcquisition.cs", "fleet!.GiveBack(here[i].Owner, bond);", "if (!MUTANT) { fleet!.GiveBack(here[i].Owner, bond); }", "PortScopeTests.Acquire_NoPort|PortScopeTests.AcquireAll"),
        s_core.This("FleetAcquisition.LookAsync: the fleet is asked for what is served here", "Operations/FleetAcquisition.cs", "if (session.CheckAlive())", "if (!MUTANT && session.CheckAlive())", "PortScopeTests.Acquire_OwnerServedHere"),
        s_core.This("Acquisition.Check: TryAcquire grants it on this host", "Operations/Acquisition.cs", "?? (request.Scope == PortScope.Host ? null", "?? (MUTANT || request.Scope == PortScope.Host ? null", "PortScopeTests.TryAcquire|PortScopeTests.Acquire_RegistryOfNoFleet"),
        s_core.This("Healing.ReportAsync: the last failure does not give the owner back", "Operations/Healing.cs", "parts.Fleet?.Ended(lease.Owner);", "if (!MUTANT) { parts.Fleet?.Ended(lease.Owner); }", "PortScopeTests.Claim_NothingOfTheLease"),
        s_core.This("ClaimEvents.Ended: an end does not give the owner back", "Operations/ClaimEvents.cs", "parts.Fleet?.Ended(claim.Owner);", "if (!MUTANT) { parts.Fleet?.Ended(claim.Owner); }", "PortScopeTests.Claim_NothingOfTheLease"),
        s_core.This("LeaseExtras.EndToken: nobody is told of the loss", "Operations/LeaseExtras.cs", "extras?.Bond?.Lost.UnsafeRegister(", "(MUTANT ? null : extras?.Bond)?.Lost.UnsafeRegister(", "PortScopeTests.Lookup_Claim"),
        s_core.This("MapReader.Snapshot: tells of what was lost", "Operations/MapReader.cs", "parts.Fleet?.EndLost();", "if (!MUTANT) { parts.Fleet?.EndLost(); }", "PortScopeTests.Lookup_Claim"),
        s_core.This("PortLease.PrepareStart: starts a worker for an owner that was lost", "PortLease.cs", "FleetAcquisition.DemandHeld(this, bond);", "if (!MUTANT) { FleetAcquisition.DemandHeld(this, bond); }", "PortScopeTests.Lookup_Claim"),
        s_fleet.This("PublishedEntry.TryParse: port 0 is an entry", "PublishedEntry.cs", "return port != 0;", "return MUTANT || port != 0;", "FleetKeysTests"),
        s_fleet.This("WireReader.Take: what goes to the end of a message is too long", "Connecting/WireReader.cs", "if (length > (ulong)_left.Length)", "if (MUTANT ? length >= (ulong)_left.Length : length > (ulong)_left.Length)", "WireReaderTests"),
        s_fleet.This("DirtySet.TryTake: what was taken is taken again", "Publishing/DirtySet.cs", "_owners.ExceptWith(taken);", "if (!MUTANT) { _owners.ExceptWith(taken); }", "DirtySetTests"),
    ];
}
