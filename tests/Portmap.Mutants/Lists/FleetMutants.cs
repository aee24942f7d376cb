namespace Portmap.Mutants.Lists;

/// <summary>Faults in what a fleet reads and writes at etcd.</summary>
internal static class FleetMutants
{
    private static readonly ListOf s_fleet = new("src/Portmap.Etcd/", "Portmap.Etcd.Tests");

    public static IEnumerable<Mutant> All =>
    [
        s_fleet.This("Publisher.SendAsync: a batch of before a failure counts late", "Publishing/Publisher.cs", "new Batch(Txn.When(Txn.IsModifiedAt(keys.Host, term.HostRevision)), [])", "new Batch(MUTANT ? Txn.When() : Txn.When(Txn.IsModifiedAt(keys.Host, term.HostRevision)), [])", "FenceTests"),
        s_fleet.This("Publisher.SendAsync: what was released stays", "Publishing/Publisher.cs", "isWanted ? Txn.Put(key, wanted.ToValue(), term.Id) : Txn.Delete(key)", "isWanted || MUTANT ? Txn.Put(key, wanted.ToValue(), term.Id) : Txn.Delete(key)", "PublishTests.Publish_Released"),
        s_fleet.This("Publisher.CompareAsync: what nobody serves is not looked for", "Publishing/Publisher.cs", "if (!TryGetWanted(owner, out PublishedEntry wanted) || wanted != _published[owner])", "if (!MUTANT && (!TryGetWanted(owner, out PublishedEntry wanted) || wanted != _published[owner]))", "DisasterTests.EtcdRestored"),
        s_fleet.This("Publisher.CompareAsync: what is missing is not looked for", "Publishing/Publisher.cs", "if (!_published.ContainsKey(owner))", "if (!MUTANT && !_published.ContainsKey(owner))", "PublishTests.Publish_ChangesLost|PublishTests.Publish_EtcdAbsent"),
        s_fleet.This("HostLease.ClaimHostAsync: two daemons of one name", "Leasing/HostLease.cs", "if (found.Lease != term.Id && other.Instance", "if (!MUTANT && found.Lease != term.Id && other.Instance", "DisasterTests.TwoDaemons"),
        s_fleet.This("HostRecord.IsOfDeadProcessHere: nobody is dead", "Leasing/HostRecord.cs", "Boot != Guid.Empty && Boot == BootIdentity.Current", "!MUTANT && Boot != Guid.Empty && Boot == BootIdentity.Current", "DisasterTests.PublisherKilled_StartedAgain"),
        s_fleet.This("MirrorIndex.Store: the earlier of several hosts first", "Mirroring/MirrorIndex.cs", "other => other.Revision <= entry.Revision);", "other => MUTANT ? other.Revision > entry.Revision : other.Revision <= entry.Revision);", "FleetMapTests.TryFind_OwnerOfSeveralHosts"),
        s_fleet.This("MirrorIndex.Replace: what is gone stays", "Mirroring/MirrorIndex.cs", "if (!isFirst)\n", "if (!MUTANT && !isFirst)\n", "FleetMapTests.Map_Compacted"),
        s_fleet.This("Follower.HasSameHistoryAsync: any history of the same numbers", "Mirroring/Follower.cs", "&& found.Value == anchor.Value;", "&& (MUTANT || found.Value == anchor.Value);", "FleetMapTests.Map_EtcdHasAnotherHistory"),
        s_fleet.This("Follower.WatchAsync: one change is told twice or skipped", "Mirroring/Follower.cs", "StartRevision = index.Revision + 1,", "StartRevision = index.Revision + (MUTANT ? 2 : 1),", "FleetMapTests.WatchAsync_SnapshotThenChanges"),
        s_fleet.This("FleetMap.IsRefusing: answers however old", "FleetMap.cs", "&& Staleness > _options.MaxStaleness;", "&& !MUTANT && Staleness > _options.MaxStaleness;", "FleetMapTests.Staleness"),
        s_fleet.This("FleetOwners.ClaimAsync: two hosts hold an owner", "FleetOwners.cs", "Txn.When(Txn.IsAbsent(key), Txn.HasLease(_keys.Host, term.Id))", "(MUTANT ? Txn.When(Txn.HasLease(_keys.Host, term.Id)) : Txn.When(Txn.IsAbsent(key), Txn.HasLease(_keys.Host, term.Id)))", "FleetOwnersTests.ClaimAsync_After|FleetOwnersTests.ClaimAsync_Fifty"),
        s_fleet.This("FleetOwners.KeepAsync: a holder does not know that it lost", "FleetOwners.cs", "if (left <= TimeSpan.Zero)", "if (!MUTANT && left <= TimeSpan.Zero)", "FleetOwnersTests.Claim_EtcdAway"),
        s_fleet.This("FleetOwners.VerifyAsync: a claim that etcd forgot is held", "FleetOwners.cs", "if (response.Kvs is not [var found] || found.CreateRevision != claim.Epoch)", "if (!MUTANT && (response.Kvs is not [var found] || found.CreateRevision != claim.Epoch))", "FleetOwnersTests.Claim_EtcdRestored"),
        s_fleet.This("FleetKeys.EndOf: the last key of a prefix is left out", "FleetKeys.cs", "end[^1]++;", "end[^1] += (byte)(MUTANT ? 0 : 1);", "FleetKeysTests"),
        s_fleet.This("PublishedEntry.TryParse: port 0 is an entry", "PublishedEntry.cs", "return port != 0;", "return MUTANT || port != 0;", "FleetKeysTests"),
    ];
}
