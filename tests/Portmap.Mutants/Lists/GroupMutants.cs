namespace Portmap.Mutants.Lists;

/// <summary>Faults in what few programs ask for: several at once, ports in a row, kept numbers,
/// more time; and in what one thread does for another.</summary>
internal static class GroupMutants
{
    private const string Interleaving = "Portmap.Interleaving.Tests";

    private static readonly ListOf s_table = new("src/Portmap/Table/", Interleaving), s_operations = new("src/Portmap/Operations/", "Portmap.Tests"), s_core = new("src/Portmap/", "Portmap.Tests");

    public static IEnumerable<Mutant> All => [.. Groups, .. Rows, .. Kept, .. Times, .. Helping];

    private static IEnumerable<Mutant> Groups =>
    [
        s_table.This("GroupFinishing.FinishSealed: takes effect before it is written", "GroupFinishing.cs", "if (member.Word.Waits)", "if (!MUTANT && member.Word.Waits)", "AcquireAllStore", "Portmap.Tests"),
        s_table.This("GroupFinishing.TakeEffect: the background store is told nothing", "GroupFinishing.cs", "if (facts.IsInBackground)", "if (!MUTANT && facts.IsInBackground)", "AcquireAllStore", "Portmap.Tests"),
        s_table.This("GroupFinishing.TakeEffect: nobody is told", "GroupFinishing.cs", "parts.Events.TookEffect(new ClaimView(member), default);", "if (!MUTANT) { parts.Events.TookEffect(new ClaimView(member), default); }", "AcquireAllTests", "Portmap.Tests"),
        s_table.This("GroupFinishing.Finish: one that is not whole takes effect", "GroupFinishing.cs", "if (word.Stage == ClaimStage.Pending && !word.IsSeated)\n        {\n            endings", "if (MUTANT && word.Stage == ClaimStage.Pending)\n        {\n            TakeEffect(group, word, now);\n        }\n        else if (word.Stage == ClaimStage.Pending && !word.IsSeated)\n        {\n            endings", "DisplayName~a block|DisplayName~two blocks"),
        s_table.This("PortClaim.TryJoin: one that has ended joins", "PortClaim.cs", "if (word.Stage != ClaimStage.Pending)\n        {\n            return false;\n        }\n\n        Volatile.Write(ref _usesUp, group);", "if (!MUTANT && word.Stage != ClaimStage.Pending)\n        {\n            return false;\n        }\n\n        Volatile.Write(ref _usesUp, group);", "DisplayName~a block|DisplayName~two blocks"),
        s_operations.This("GroupAcquisition.TryMake: an owner twice in one ask", "GroupAcquisition.cs", "(request.Protocol != PortProtocol.Udp && !owners.Add((false, request.Owner)))", "(!MUTANT && request.Protocol != PortProtocol.Udp && !owners.Add((false, request.Owner)))", "AcquireAllTests"),
        s_operations.This("GroupAcquisition.TryMake: any number of requests", "GroupAcquisition.cs", "if (requests.Length > MaxRequests)", "if (!MUTANT && requests.Length > MaxRequests)", "AcquireAllTests"),
        s_operations.This("GroupAcquisition: a number that is required is given away within the ask", "GroupAcquisition.cs", "Array.Sort(ranks, _order);", "if (!MUTANT) { Array.Sort(ranks, _order); }", "AcquireAllTests"),
        s_operations.This("GroupAcquisition.Rank: who may have any port comes first", "GroupAcquisition.cs", "(4 * hunt.Pool.Count)", "(4 * (MUTANT ? 0 : hunt.Pool.Count))", "AcquireAllTests"),
        s_operations.This("GroupAcquisition.Rank: one protocol comes first", "GroupAcquisition.cs", "(hunt.Both ? 0 : 2)", "(hunt.Both || MUTANT ? 0 : 2)", "AcquireAllTests"),
        s_operations.This("GroupAcquisition.Rank: few ports come before a number that is required", "GroupAcquisition.cs", "(isRequired ? 0 : 1L << 32)", "(isRequired || MUTANT ? 0 : 1L << 32)", "AcquireAllTests"),
        s_operations.This("GroupAcquisition.Rank: a number that is remembered is given away within the ask", "GroupAcquisition.cs", "(wanted != 0 ? 0 : 1)", "(wanted != 0 || MUTANT ? 0 : 1)", "AcquireAllTests"),
        s_operations.This("GroupAcquisition.Required: a number that is remembered is not required", "GroupAcquisition.cs", "return last != 0 && parts.HandsOut(last, request) ? last : 0;", "return last != 0 && !MUTANT && parts.HandsOut(last, request) ? last : 0;", "AcquireAllTests"),
        s_operations.This("GroupAcquisition.TryMake: one number is required twice", "GroupAcquisition.cs", "?? (contiguous ? null :", "?? (contiguous || MUTANT ? null :", "AcquireAllTests"),
        s_operations.This("GroupAcquisition.PushOrUndo: what was refused stays half taken", "GroupAcquisition.cs", "Undo(now);   // whatever failed there", "if (!MUTANT) { Undo(now); }   // whatever failed there", "AcquireAllTests"),
    ];

    private static IEnumerable<Mutant> Rows =>
    [
        s_operations.This("BlockHunt.Find: a row that is required may be another one", "BlockHunt.cs", "if (required is { } row)\n", "if (required is { } row && !MUTANT)\n", "BlockTests"),
        s_operations.This("BlockHunt.Find: two required ports that are in no row", "BlockHunt.cs", "if (isRequired && required is { } other && first != other)", "if (isRequired && required is { } other && first != other && !MUTANT)", "BlockTests"),
        s_operations.This("BlockHunt.Find: the row of before is not preferred", "BlockHunt.cs", "if (preferred > 0)\n", "if (!MUTANT && preferred > 0)\n", "BlockTests"),
        s_operations.This("BlockHunt.Ask: a process that brings its port is in a row", "BlockHunt.cs", ": picked == PortSearch.ProcessBrings ?", ": !MUTANT && picked == PortSearch.ProcessBrings ?", "BlockTests"),
        s_operations.This("BlockHunt.FindRun: not at the last place", "BlockHunt.cs", "(1UL << (end - place)) - 1;", "((1UL << (end - place)) - 1) >> (MUTANT ? 1 : 0);", "BlockTests"),
        s_operations.This("BlockHunt.FindRun: not across two words", "BlockHunt.cs", "places &= members[i].Hunt.Window(place + i, alsoWaiting);", "places &= MUTANT ? members[i].Hunt.Window(place, alsoWaiting) >> i : members[i].Hunt.Window(place + i, alsoWaiting);", "BlockTests"),
        s_operations.This("BlockHunt.Runs: not across two words", "BlockHunt.cs", "| (high << (64 - step));", "| (MUTANT ? 0 : high << (64 - step));", "BlockTests"),
        s_operations.This("BlockHunt.Runs: powers of two only", "BlockHunt.cs", "int step = Math.Min(has, length - has);", "int step = MUTANT ? has : Math.Min(has, length - has);", "BlockTests"),
        s_operations.This("BlockHunt.AreAlike: any number", "BlockHunt.cs", "return members.Length is > 0 and <= 65;", "return members.Length is > 0 && (MUTANT || members.Length <= 65);", "BlockTests"),
        s_operations.This("BlockHunt.TryTake: what was taken of a row stays", "BlockHunt.cs", "members[taken].Undo(now);", "if (!MUTANT) { members[taken].Undo(now); }", "BlockTests"),
        s_operations.This("BlockHunt.Search: too much is passed over", "BlockHunt.cs", "place += failed + 1;", "place += MUTANT ? members.Length : failed + 1;", "BlockTests") with
        {
            AliveBecause = "What was met is taken out of the map, and the last search goes over all of it again.",
        },
        s_operations.This("BlockHunt.Search: no row across two ranges", "BlockHunt.cs", "if (Array.Exists(tiers, tier =>", "if (!MUTANT && Array.Exists(tiers, tier =>", "BlockTests"),
        s_operations.This("BlockHunt.SearchFrom: does not begin again at the start", "BlockHunt.cs", "|| (from > range.First && Search(", "|| (!MUTANT && from > range.First && Search(", "BlockTests"),
    ];

    private static IEnumerable<Mutant> Kept =>
    [
        s_operations.This("PortHunt.TryKept: a lease that is healed goes back to its number", "PortHunt.cs", "_lease.TriedPorts.Contains(port))", "(!MUTANT && _lease.TriedPorts.Contains(port)))", "KeptPorts"),
        s_operations.This("PortHunt.FindNow: the number of an owner is picked like any other", "PortHunt.cs", "if (Settings.Kept is { } kept && TryKept(kept, now) is { } own)", "if (!MUTANT && Settings.Kept is { } kept && TryKept(kept, now) is { } own)", "KeptPorts"),
        s_operations.This("RegistryParts.HandsOut: its owner may not have it either", "RegistryParts.cs", "Settings.Kept?.PortOf(request.Owner) == port)", "(!MUTANT && Settings.Kept?.PortOf(request.Owner) == port))", "KeptPorts|BlockTests"),
        s_operations.This("ClaimEvents.TookEffect: who takes a kept number is not told", "ClaimEvents.cs", "is { } kept && kept != claim.Owner)", "is { } kept && !MUTANT && kept != claim.Owner)", "KeptPorts"),
        s_core.This("KeptPorts.ExceptOf: workers are told the numbers of others", "KeptPorts.cs", "Ports.Where(port => _owners[port] != owner)", "Ports.Where(port => !MUTANT && _owners[port] != owner)", "KeptPorts"),
    ];

    private static IEnumerable<Mutant> Times =>
    [
        s_operations.This("Extension: of a lease that ended meanwhile", "Extension.cs", "if (parts.Journal is null && IsOpen(claim.Now()))", "if (parts.Journal is null && (MUTANT || IsOpen(claim.Now())))", "DisplayName~a lease gets more time|LeaseTimesTests", Interleaving) with
        {
            AliveBecause = "Who gives it back at the same time may come after the extension: both answers are right.",
        },
        s_operations.This("Extension: over a session without a right", "Extension.cs", "if (!against.IsNone)", "if (!MUTANT && !against.IsNone)", "PortLeaseTime"),
        s_operations.This("Extension: any time", "Extension.cs", "(asked < LeaseTimes.Least || asked > LeaseTimes.Most)", "!MUTANT && (asked < LeaseTimes.Least || asked > LeaseTimes.Most)", "PortLeaseTime"),
        s_operations.This("Extension: of both protocols one half is written", "Extension.cs", "lease.Twin is { } its ?", "lease.Twin is { } its && !MUTANT ?", "PortLeaseTime"),
        s_operations.This("Extension: a lease of which one half was used meanwhile has ended", "Extension.cs", "if (open.IsNone && twin.IsNone)", "if (open.IsNone && (MUTANT || twin.IsNone))", "LeaseTimesTests", Interleaving),
        s_operations.This("Extension: answers before it is on disk", "Extension.cs", "if (journal.Confirms && await", "if (!MUTANT && journal.Confirms && await", "PortLeaseTime"),
        s_operations.This("LeaseTimes.TryClose: one that was extended meanwhile", "LeaseTimes.cs", "while (EndsAtMs(parts, claim) <= now)", "while (MUTANT || EndsAtMs(parts, claim) <= now)", "DisplayName~a lease gets more time|LeaseTimesTests", Interleaving),
    ];

    private static IEnumerable<Mutant> Helping =>
    [
        s_table.This("Finishing.Finish: what a sign-in relies on may have gone", "Finishing.cs", "claim.ReliesOn(used) ? Endings.RelyOn(used)", "claim.ReliesOn(used) ? MUTANT || Endings.RelyOn(used)", "DisplayName~a registration is released"),
        s_table.This("Finishing.TryEnd: one that is relied on is ended at once", "Finishing.cs", "unlessReliedOn: true))", "unlessReliedOn: !MUTANT))", "DisplayName~a registration is released"),
        s_table.This("Finishing.LetMove: a port is taken from a lease that is shown there", "Finishing.cs", "if (cell.HolderOf(port) is not { Word.Stage: ClaimStage.Ended })", "if (MUTANT || cell.HolderOf(port) is not { Word.Stage: ClaimStage.Ended })", "DisplayName~could not be bound"),
        s_table.This("OwnerCell.HolderOf: a lease that is shown there holds nothing", "OwnerCell.cs", "failed.Word.Cause == ClaimEnd.Moved ? failed", "failed.Word.Cause == ClaimEnd.Moved && !MUTANT ? failed", "DisplayName~could not be bound"),
        s_table.This("OwnerCell.OpenLeaseFrom: a lease that ended by itself is open below a registration", "OwnerCell.cs", "&& used.Word is { Stage: ClaimStage.Reserved } or { Cause: ClaimEnd.UsedUp or ClaimEnd.Moved })", "&& (used.Word is { Stage: ClaimStage.Reserved } or { Cause: ClaimEnd.UsedUp or ClaimEnd.Moved } || (MUTANT && used.Word.Cause == ClaimEnd.BindFailed)))", "MovingLeaseTests", "Portmap.Interleaving.Tests"),
        s_table.This("ClaimFacts.MarkQueued: an end that nobody queued is marked so", "ClaimFacts.cs", "while (word.Stage == stage &&", "while ((MUTANT || word.Stage == stage) &&", "UnwrittenFactTests", "Portmap.Interleaving.Tests"),
        s_table.This("PortTable.PushLease: a lease that moved and was given back comes back", "PortTable.cs", "if (lease is null && claim.UsesUp is not null", "if (!MUTANT && lease is null && claim.UsesUp is not null", "MovingLeaseTests", "Portmap.Interleaving.Tests"),
        s_table.This("PortTable.Push: a lease that was given back comes back to a forgotten owner", "PortTable.cs", ": claim.UsesUp is null ?", ": MUTANT || claim.UsesUp is null ?", "MovingLeaseTests", "Portmap.Interleaving.Tests"),
        s_table.This("PortLookup.IsAllOver: the port of a lease that moves is free", "PortLookup.cs", "word.Cause != ClaimEnd.Moved && ReferenceEquals(slot", "(MUTANT || word.Cause != ClaimEnd.Moved) && ReferenceEquals(slot", "MovingLeaseTests", "Portmap.Interleaving.Tests"),
        s_table.This("PortSpace.TryTakePlain: the port of another owner is taken at once", "PortSpace.cs", "|| !ReferenceEquals(last.Cell, registration.Cell))", "|| (!MUTANT && !ReferenceEquals(last.Cell, registration.Cell)))", "ExplorationTests|LinearizabilityTests", "Portmap.Interleaving.Tests"),
        s_table.This("PortClaim.TookEffect: a lease that could not be written was one", "PortClaim.cs", "ClaimEnd.LeaseGone or ClaimEnd.StoreFailed))\n", "ClaimEnd.LeaseGone or ClaimEnd.StoreFailed)) || (MUTANT && word.Cause == ClaimEnd.StoreFailed)\n", "UnwrittenFactTests"),
        s_operations.This("Healing.FindAnotherAsync: somebody else is to tell the lease", "Healing.cs", "MovedLease.Tell(parts, lease, failed, hunt.Claim!);", "if (!MUTANT) { MovedLease.Tell(parts, lease, failed, hunt.Claim!); }", "HelpedThreadTests", Interleaving),
        s_operations.This("Registration.Finish: somebody else is to tell the lease", "Registration.cs", "untold.OnRegistered(_claim!);", "if (!MUTANT) { untold.OnRegistered(_claim!); }", "HelpedThreadTests", Interleaving),
    ];
}
