namespace Portmap.Mutants.Lists;

/// <summary>Faults in the lock-free core.</summary>
internal static class TableMutants
{
    private const string Interleaving = "Portmap.Interleaving.Tests", Concurrency = "Portmap.Concurrency.Tests";

    private static readonly ListOf s_table = new("src/Portmap/Table/", "Portmap.Tests");

    public static IEnumerable<Mutant> All => [.. Hints, .. Owners, .. Claims, .. Lookups, .. Numbers];

    private static IEnumerable<Mutant> Hints =>
    [
        s_table.This("FreePorts.ClearSummary: no second look", "FreePorts.cs", "if (Volatile.Read(ref _words[word]) != 0)", "if (!MUTANT && Volatile.Read(ref _words[word]) != 0)", "FreePortsTests", Interleaving),
        s_table.This("FreePorts.Add: the summary is not marked", "FreePorts.cs", "        MarkSummary(word);\n    }\n\n    /// <summary>Takes a port out", "        if (!MUTANT) { MarkSummary(word); }\n    }\n\n    /// <summary>Takes a port out", "FreePortsTests", Interleaving),
        s_table.This("FreePorts.TryTake: two threads have it", "FreePorts.cs", "if ((before & bit) == 0)", "if (!MUTANT && (before & bit) == 0)", "FreePortsTests|DisplayName~one port for two owners", Interleaving),
        s_table.This("FreePorts.Find: the last port of the range is never found", "FreePorts.cs", "return found <= last ? found + _first : 0;", "return (MUTANT ? found < last : found <= last) ? found + _first : 0;", "AllocatorPicksTests|PortRegistryAcquire"),
        s_table.This("FreePorts.Find: begins at the word, not at the port", "FreePorts.cs", "& (ulong.MaxValue << index);", "& (MUTANT ? ulong.MaxValue : ulong.MaxValue << index);", "AllocatorPicksTests|PortRegistryAcquire|PortRegistryReuse"),
        s_table.This("FreePorts.Fill: what is excluded in the next byte is handed out", "FreePorts.cs", "left |= (from & 7) == 0 ?", "left |= MUTANT || (from & 7) == 0 ?", "FreePortsTests", Interleaving),
        s_table.This("DelayedPorts.DrainDue: too much is skipped after a pause", "DelayedPorts.cs", "due - Generations + 1);", "MUTANT ? due : due - Generations + 1);", "DelayedPortsTests"),
        s_table.This("DelayedPorts.DrainDue: an eighth of the delay early", "DelayedPorts.cs", "long due = ((now - DelayMs) / _sliceMs) - 1;", "long due = ((now - DelayMs) / _sliceMs) - (MUTANT ? 0 : 1);", "DelayedPortsTests"),
        s_table.This("DelayedPorts.TryTakeOldest: the newest first", "DelayedPorts.cs", "for (int i = 0; ports is not null && i < pool.Ranges.Length; i++)\n            {\n                while (ports.Find(pool.Ranges[i].First, pool.Ranges[i].Last) is > 0 and int port)\n                {\n                    if (ports.TryTake(port))\n                    {\n                        return port;", "for (int i = 0; ports is not null && i < pool.Ranges.Length; i++)\n            {\n                while ((!MUTANT || generation == current) && ports.Find(pool.Ranges[i].First, pool.Ranges[i].Last) is > 0 and int port)\n                {\n                    if (ports.TryTake(port))\n                    {\n                        return port;", "PortRegistryCooling"),
        s_table.This("PortHints.Offer: an excluded port is handed out", "PortHints.cs", "if (_limits.HandsOut(port))\n        {\n            Free.Add(port);", "if (MUTANT || _limits.HandsOut(port))\n        {\n            Free.Add(port);", "PortRegistryAcquire|PortRegistryOptions"),
        s_table.This("PortHints.FindFree: the wish to avoid a port is forgotten", "PortHints.cs", "found = found != 0 && found == avoid ? Free.Find(found + 1, last) : found;", "found = !MUTANT && found != 0 && found == avoid ? Free.Find(found + 1, last) : found;", "PortRegistryReuse|PortRegistryMemory"),
        s_table.This("PortHints.FindFree: what is to be avoided is not even the last resort", "PortHints.cs", "return avoid != 0 && Free.Contains(avoid)", "return !MUTANT && avoid != 0 && Free.Contains(avoid)", "PortRegistryReuse|PortRegistryMemory|PortRegistryAcquire"),
        s_table.This("PortHints.LookAgainLater: never again", "PortHints.cs", "_foreign.Add(port, foundAt);", "if (!MUTANT) { _foreign.Add(port, foundAt); }", "PortBindFailure|StrangerTests"),
        s_table.This("LastPorts.Remember: nobody is remembered", "LastPorts.cs", "Volatile.Write(ref place, owner);   //", "if (!MUTANT) { Volatile.Write(ref place, owner); }   //", "LastPortsTests"),
        s_table.This("LastPorts.IsAnybodys: another's hint is overwritten", "LastPorts.cs", "return from >= MaxWords;", "return MUTANT || from >= MaxWords;", "LastPortsTests"),
        s_table.This("LastPorts.Displace: the port stays the earlier owner's", "LastPorts.cs", "if (OwnerOf(port) is { } before && !ReferenceEquals(before, owner)", "if (!MUTANT && OwnerOf(port) is { } before && !ReferenceEquals(before, owner)", "LastPortsTests|PortRegistryMemory"),
    ];

    private static IEnumerable<Mutant> Owners =>
    [
        s_table.This("OwnerCredits.TryTake: no second round", "OwnerCredits.cs", "while (EstimatedFree > 0);", "while (!MUTANT && EstimatedFree > 0);", "OwnerCreditsTests", Interleaving),
        s_table.This("OwnerCredits.Return: lost", "OwnerCredits.cs", "Interlocked.Increment(ref _stripes[_stripes.Current]);", "if (!MUTANT) { Interlocked.Increment(ref _stripes[_stripes.Current]); }", "OwnerCreditsTests", Interleaving),
        s_table.This("OwnerIndex.TryInsert: a race for the bucket costs a place for an owner", "OwnerIndex.cs", "        _credits.Return();\n        return OwnerInsertion.Raced;", "        if (!MUTANT) { _credits.Return(); }\n        return OwnerInsertion.Raced;", "DisplayName~one owner twice|DisplayName~an owner of two processes", Interleaving),
        s_table.This("OwnerIndex.TryInsert: an owner has two living cells", "OwnerIndex.cs", "                if (other.Is(cell.Protocol, cell.Owner, cell.Hash))\n                {\n                    return OwnerInsertion.Raced;", "                if (!MUTANT && other.Is(cell.Protocol, cell.Owner, cell.Hash))\n                {\n                    return OwnerInsertion.Raced;", "ExplorationTests", Interleaving),
        s_table.This("OwnerIndex.TryTakeCredit: idle owners keep their places", "OwnerIndex.cs", "while (!isTaken && TryRetireIdle())", "while (!MUTANT && !isTaken && TryRetireIdle())", "PortRegistryAcquire|Limit|IdleOwner"),
        s_table.This("OwnerIndex.Retire: the mark is not raised", "OwnerIndex.cs", "Marks.Raise(cell.Hash, top.Epoch);   // before", "if (!MUTANT) { Marks.Raise(cell.Hash, top.Epoch); }   // before", "EpochOrder|ExplorationTests|LinearizabilityTests.Registry_AnyScenarioUnder", Interleaving),
        s_table.This("OwnerIndex.Retire: a cell that matters dies", "OwnerIndex.cs", "|| cell.Matters())", "|| (!MUTANT && cell.Matters()))", "PortRegistryAcquire|PortSessionRegister"),
        s_table.This("OwnerIndex.TryInsert: below one of the owner that came and went meanwhile", "OwnerIndex.cs", "if (cell.Top.Epoch < Marks.Of(cell.Hash))", "if (!MUTANT && cell.Top.Epoch < Marks.Of(cell.Hash))", "OwnerIndexTests", Interleaving),
        s_table.This("OwnerCell.Matters: an end that is told nobody yet does not", "OwnerCell.cs", "IsQueued: false, IsLate: false })", "IsQueued: false, IsLate: false } && (!MUTANT || claim.Word.IsLive))", "UnwrittenFactTests.ReleaseAsync", Interleaving),
        s_table.This("Finishing.Tidy: an end is in no queue", "Finishing.cs", "if (facts.Confirms)\n", "if (facts.Confirms && !MUTANT)\n", "UnwrittenFactTests.ReleaseAsync", Interleaving),
        s_table.This("OwnerIndex.Grow: every second bucket is lost", "OwnerIndex.Buckets.cs", "Living(ref bucket, added: null, bit, bit) ?? Buckets.Empty", "(MUTANT ? null : Living(ref bucket, added: null, bit, bit)) ?? Buckets.Empty", "LookupTests"),
        s_table.This("OwnerIndex.TryInsert: what the dead cell remembers is dropped", "OwnerIndex.cs", "                    cell.Remember(last);", "                    if (!MUTANT) { cell.Remember(last); }", "PortTableTests"),
        s_table.This("OwnerCell.Remember: the earlier one stays", "OwnerCell.cs", "last is null || last.Epoch < registration.Epoch;", "last is null || (!MUTANT && last.Epoch < registration.Epoch);", "EpochAgain|PortRegistryEpoch"),
        s_table.This("OwnerCell.Is: both protocols are one", "OwnerCell.cs", "return Hash == hash && Protocol == protocol &&", "return Hash == hash && (MUTANT || Protocol == protocol) &&", "PortTableTests|LastPortsTests"),
        s_table.This("OwnerCell.Serving: whose session is gone is served", "OwnerCell.cs", "return served is null || served.Holder!.IsServing ? served", "return MUTANT || served is null || served.Holder!.IsServing ? served", "DisconnectTests"),
        s_table.This("OwnerCell.ServedFrom: nobody while a replacement is under way", "OwnerCell.cs", "replaced = word.Cause == ClaimEnd.Replaced ? claim : null;", "replaced = !MUTANT && word.Cause == ClaimEnd.Replaced ? claim : null;", "ExplorationTests", Interleaving),
        s_table.This("OwnerCell.ServedFrom: what took effect during the walk is missed", "OwnerCell.cs", "return pending is not null && pending.Word.WasBound ? pending : replaced;", "return !MUTANT && pending is not null && pending.Word.WasBound ? pending : replaced;", "DisplayName~is asked for its port", Interleaving),
        s_table.This("OwnerCell.OpenLease: one that is being used up is gone", "OwnerCell.cs", "if (isPending && top.UsesUp is { IsLease: true } used", "if (!MUTANT && isPending && top.UsesUp is { IsLease: true } used", "ExplorationTests|RegistrationGap", Interleaving),
        s_table.This("OwnerCell.OpenLease: who came too early to see its user sees none", "OwnerCell.cs", "if (ReferenceEquals(top, before))", "if (MUTANT || ReferenceEquals(top, before))", "DisplayName~beside a registration", Interleaving),
        s_table.This("PortTable.Look: what was not so at one moment", "PortTable.cs", "&& (view.Waits || view.IsStill)", "&& (MUTANT || view.Waits || view.IsStill)", "DisplayName~comes and goes", Interleaving),
    ];

    private static IEnumerable<Mutant> Claims =>
    [
        s_table.This("ClaimFacts.Told: what stands below one that came to nothing ends on disk", "ClaimFacts.cs", "return cell.InForceOn(claim.Port) is { IsLease: false } stands ?", "return !MUTANT && cell.InForceOn(claim.Port) is { IsLease: false } stands ?", "NothingCameOfIt"),
        s_table.This("ClaimFacts.Told: the end of what went on is outweighed", "ClaimFacts.cs", "epoch = other.Epoch;", "epoch = MUTANT ? epoch : other.Epoch;", "NothingCameOfIt"),
        s_table.This("ClaimFacts.Queue: each half of a lease comes to the disk alone", "ClaimFacts.cs", "if (word.Stage == ClaimStage.Pending && PendingTwin(claim)", "if (!MUTANT && word.Stage == ClaimStage.Pending && PendingTwin(claim)", "UnwrittenFact", Interleaving),
        s_table.This("ClaimFacts.WithdrawAlone: of one that moves the half that stayed goes first", "ClaimFacts.cs", "tcp is null || udp?.Origin > tcp.Origin", "tcp is null || (udp is not null && (udp.Origin > tcp.Origin) != MUTANT)", "UnwrittenFact", Interleaving),
        s_table.This("Endings.TryEnd: EndBelow is left out", "Endings.cs", "EndBelow(claim, now);   // OwnerCell I3", "if (!MUTANT) { EndBelow(claim, now); }   // OwnerCell I3", "FrozenThreadTests.TryEnd", Interleaving),
        s_table.This("Endings.TryEnd: the last registration is not noted", "Endings.cs", "claim.Cell!.Remember(claim);", "if (!MUTANT) { claim.Cell!.Remember(claim); }", "EpochAgain|PortRegistryEpoch"),
        s_table.This("Endings.AfterEnd: the port never comes back", "Endings.cs", "parts.Space(claim.Protocol).Hints.Cool(claim.Port, now);", "if (!MUTANT) { parts.Space(claim.Protocol).Hints.Cool(claim.Port, now); }", "PortRegistryCooling"),
        s_table.This("Endings.NoteLast: a replaced port is the last one", "Endings.cs", "if (cause is not (ClaimEnd.Replaced or ClaimEnd.LostToListener or ClaimEnd.BindFailed or ClaimEnd.Moved))", "if (MUTANT || cause is not (ClaimEnd.Replaced or ClaimEnd.LostToListener or ClaimEnd.BindFailed or ClaimEnd.Moved))", "PortRegistryMemory|PortRegistryReuse"),
        s_table.This("Endings.TryMarkForeign: a port of ours becomes a stranger's", "Endings.cs", "if (IsOurs(slot, port, except))", "if (!MUTANT && IsOurs(slot, port, except))", "PortTableTests"),
        s_table.This("Endings.Withdraw: the port is not offered again", "Endings.cs", "parts.Offer(claim);", "if (!MUTANT) { parts.Offer(claim); }", "DisplayName~a port is met", Interleaving),
        s_table.This("Finishing.TakeSlot: a later claim on the port does not matter", "Finishing.cs", "PortSlots.HighestEpoch(claims) > claim.Epoch && !GoesOn(claim)", "!MUTANT && PortSlots.HighestEpoch(claims) > claim.Epoch && !GoesOn(claim)", "ExplorationTests|LinearizabilityTests.Registry_AnyScenarioUnder", Interleaving),
        s_table.This("Finishing.MakeWay: a helper that is late ends an innocent lease", "Finishing.cs", "if (IsPending(claim))\n        {\n            endings.TryEndFrom(lease, reserved", "if (MUTANT || IsPending(claim))\n        {\n            endings.TryEndFrom(lease, reserved", "SuspendedThreadTests", Concurrency) with
        {
            AliveBecause = "A lease that came later has a higher epoch, by which the late helper is outrun before it looks: a second line.",
        },
        s_table.This("Finishing.MakeBoundGiveWay: another process shares the port", "Finishing.cs", "if (!process.IsSameProcess(claim.Holder!))", "if (!MUTANT && !process.IsSameProcess(claim.Holder!))", "PortSessionRegister"),
        s_table.This("Finishing.MakeBoundGiveWay: a lease beside a registration shares the port", "Finishing.cs", "reserved } lease && lease.Port == claim.Port", "reserved } lease && !MUTANT && lease.Port == claim.Port", "BesideLease"),
        s_table.This("Finishing.MakeBoundGiveWay: a dead holder keeps the port", "Finishing.cs", "if (process.IsOver)\n", "if (!MUTANT && process.IsOver)\n", "PortSessionRegister|DisconnectTests|LivenessTests") with
        {
            AliveBecause = "Registration.RefuseHeld ends the dead holder and begins again: the same answer by a longer way.",
        },
        s_table.This("Finishing.Join: who shares the port is dropped from it", "Finishing.cs", "if (isKept || (other.Cell is", "if (isKept || (!MUTANT && other.Cell is", "PortSessionRegister|RegistryModel"),
        s_table.This("Finishing.AfterEffect: what it supersedes stays", "Finishing.cs", "if (!claim.IsLease && claim.Below is not null)", "if (!MUTANT && !claim.IsLease && claim.Below is not null)", "PortSessionRegister|RegistryModel|PortRegistryWatch"),
        s_table.This("ClaimFacts.QueueEndAgain: the end of a lease that was used up too", "ClaimFacts.cs", "(word.Cause != ClaimEnd.UsedUp || claim.Port == 0)", "(MUTANT || word.Cause != ClaimEnd.UsedUp || claim.Port == 0)", "DisplayName~BetweenAnyTwoSteps", Interleaving),
        s_table.This("ClaimFacts.QueueEndAgain: the end of a lease that is open", "ClaimFacts.cs", "? !IsEndOfOthers(claim)", "? MUTANT || !IsEndOfOthers(claim)", "DisplayName~BetweenAnyTwoSteps", Interleaving),
        s_table.This("ClaimFacts.HasFactOf: the end of what failed with a higher epoch is not that of its lease", "ClaimFacts.cs", "|| (used.IsLease && used.Port == claim.Port)", "|| (!MUTANT && used.IsLease && used.Port == claim.Port)", "FailingStoreTests"),
        s_table.This("ClaimFacts.Told: the end of a lease does not outweigh what failed", "ClaimFacts.cs", "(claim.IsLease && claim.Stage != ClaimStage.Ended)", "(claim.IsLease && (MUTANT || claim.Stage != ClaimStage.Ended))", "FailingStoreTests"),
        s_table.This("PortTable.FinishLease: what waits for the disk is done", "PortTable.cs", "{ Stage: ClaimStage.Pending } => Publication.Pending,\n            { Cause: ClaimEnd.Withdrawn }", "{ Stage: ClaimStage.Pending } when !MUTANT => Publication.Pending,\n            { Cause: ClaimEnd.Withdrawn }", "ConfirmedTests"),
        s_table.This("Finishing.AfterEffect: the background store is told nothing", "Finishing.cs", "        QueueIfInBackground(claim);   // before anybody is told", "        if (!MUTANT) { QueueIfInBackground(claim); }   // before anybody is told", "ClaimJournal|DisposeRace"),
        s_table.This("ClaimFacts.Queue: too late and not told", "ClaimFacts.cs", "!claim.TryMark(word, word.Late())", "!MUTANT && !claim.TryMark(word, word.Late())", "DisposeRace"),
        s_table.This("ClaimFacts.Written: a lease that came as the registry ends is granted", "ClaimFacts.cs", "if (isClosing && claim is { IsLease: true }", "if (!MUTANT && isClosing && claim is { IsLease: true }", "DisposeRace|ConfirmedTests"),
        s_table.This("ClaimFacts.FindPending: a lease told again counts for its registration", "ClaimFacts.cs", "!fact.IsAgain && parts.Index.Find(fact.Protocol, fact.Owner)?.Top is { } top && top.Epoch == fact.Epoch && top.IsLease == fact.IsLease &&", "(MUTANT || !fact.IsAgain) && parts.Index.Find(fact.Protocol, fact.Owner)?.Top is { } top && top.Epoch == fact.Epoch && (MUTANT || top.IsLease == fact.IsLease) &&", "WrittenAgain"),
        s_table.This("ClaimFacts.Failed: what was not written counts", "ClaimFacts.cs", "FindPending(fact) is { } claim ? Withdraw(claim, ClaimEnd.StoreFailed) : [];", "!MUTANT && FindPending(fact) is { } claim ? Withdraw(claim, ClaimEnd.StoreFailed) : [];", "FailingStore"),
        s_table.This("ClaimFacts.Written: the port of a written end stays unusable", "ClaimFacts.cs", "parts.MakeAvailable(claim, claim.Word, parts.Clock.NowMs);", "if (!MUTANT) { parts.MakeAvailable(claim, claim.Word, parts.Clock.NowMs); }", "FailingStore|ConfirmedTests|LinearizabilityTests.Registry_AnyScenarioWhile"),
        s_table.This("ClaimFacts.Written: an end below what came to nothing is not looked for", "ClaimFacts.cs", "for (PortClaim? claim = inSlot; claim is not null; claim = claim.Below)", "for (PortClaim? claim = inSlot; claim is not null; claim = MUTANT ? null : claim.Below)", "FailingStore"),
        s_table.This("PortClaim.Meant: what came to nothing hides what it was to go on from", "PortClaim.cs", "for (PortClaim? claim = Below is null ? null : this;", "for (PortClaim? claim = MUTANT || Below is null ? null : this;", "FailingStore"),
        s_table.This("PortTable.Publish: a second lease of an owner", "PortTable.cs", "if (lease is not null && !ReferenceEquals(lease, claim.UsesUp))", "if (!MUTANT && lease is not null && !ReferenceEquals(lease, claim.UsesUp))", "ExplorationTests", Interleaving),
        s_table.This("PortTable.Publish: unless served is not asked at the push", "PortTable.cs", "|| (unlessServed && cell.Served() is not null)", "|| (!MUTANT && unlessServed && cell.Served() is not null)", "UnlessServedTests", Interleaving),
        s_table.This("OwnerMemory.LastPort: a port that was replaced counts", "OwnerMemory.cs", "&& word.Cause != ClaimEnd.Replaced)", "&& (MUTANT || word.Cause != ClaimEnd.Replaced))", "PortRegistryMemory|PortRegistryReuse") with
        {
            AliveBecause = "A replaced claim lies below the one that replaced it, which the walk meets first, and is unlinked together with it.",
        },
        s_table.This("OwnerMemory.LastPort: an idle owner's is forgotten", "OwnerMemory.cs", "port = cell is { LastPort: > 0 and int last } ? last", "port = !MUTANT && cell is { LastPort: > 0 and int last } ? last", "PortRegistryMemory|PortRegistryReuse|IdleOwner"),
        s_table.This("PortLookup.TakeOff: a port that came back meanwhile is lost", "PortLookup.cs", "        if (seen.Availability == PortAvailability.Free)\n        {\n            hints.Offer(port);", "        if (!MUTANT && seen.Availability == PortAvailability.Free)\n        {\n            hints.Offer(port);", "DisplayName~a released port is acquired|LinearizabilityTests.Registry_AnyScenarioUnder", Interleaving),
        s_table.This("OwnerMemory.LastPort: one that another owner has now is recalled", "OwnerMemory.cs", "return port == 0 || IsPassedOn(parts.Space(owner.Protocol), port, owner.Owner) ? 0 : port;", "return port == 0 || (!MUTANT && IsPassedOn(parts.Space(owner.Protocol), port, owner.Owner)) ? 0 : port;", "PortRegistryMemory|PortRegistryReuse|LastPorts"),
        s_table.This("PortClaim.DrawBelow: one number for two", "PortClaim.cs", "CompareExchange(ref _drawnBelow, (byte)(drawn + 1), drawn) == drawn", "CompareExchange(ref _drawnBelow, (byte)(drawn + (MUTANT ? 0 : 1)), drawn) == drawn", "EpochOrder|PortSessionBesideLease"),
    ];

    private static IEnumerable<Mutant> Lookups =>
    [
        s_table.This("PortLookup.Look: whoever asks gets a port that cools", "PortLookup.cs", "if (!takeCooling && word.Stage == ClaimStage.Ended", "if (!MUTANT && !takeCooling && word.Stage == ClaimStage.Ended", "PortRegistryCooling"),
        s_table.This("PortLookup.Look: an owner's own port cools for him too", "PortLookup.cs", "(asksFor is null || meant.Cell?.Owner != asksFor))", "(MUTANT || asksFor is null || meant.Cell?.Owner != asksFor))", "PortRegistryReuse|PortRegistryCooling"),
        s_table.This("PortLookup.Look: an end that is not written frees the port", "PortLookup.cs", "            if (word.Waits)\n            {\n                facts.Queue", "            if (!MUTANT && word.Waits)\n            {\n                facts.Queue", "UnwrittenFactTests", Interleaving),
        s_table.This("PortClaim.Pending: what cools on a port is forgotten by who takes it", "PortClaim.cs", "if (cooling is not null)", "if (!MUTANT && cooling is not null)", "AcquireAllTests"),
        s_table.This("PortClaim.Cools: what cooled is over once the store has failed", "PortClaim.cs", "(TookCooling || cause", "((!MUTANT && TookCooling) || cause", "FailingStoreTests"),
        s_table.This("PortClaim.Meant: a port that cools after a failure is nobody's", "PortClaim.cs", "cooled ??= claim.TookCooling", "cooled ??= !MUTANT && claim.TookCooling", "FailingStoreTests"),
        s_table.This("Finishing.MakeWay: what cooled is over once a registration was refused", "Finishing.cs", "if (parts.Space(claim.Protocol).Cools(meant, last, now))", "if (!MUTANT && parts.Space(claim.Protocol).Cools(meant, last, now))", "FailingStoreTests"),
        s_table.This("PortLookup.Look: a stranger's port is free at once", "PortLookup.cs", "                if (!space.IsDue(word, now))\n                {\n                    return new PortView(PortAvailability.Foreign", "                if (!MUTANT && !space.IsDue(word, now))\n                {\n                    return new PortView(PortAvailability.Foreign", "PortBindFailure|StrangerTests"),
        s_table.This("PortLookup.IsAllOver: what lies below a claim that was refused is overlooked", "PortLookup.cs", "&& claim.Below is null;", "&& (MUTANT || claim.Below is null);", "PortTableTests"),
        s_table.This("PortLookup.CurrentOn: no second look at the slot", "PortLookup.cs", "if (pending is null && ReferenceEquals(second, first))", "if (MUTANT || (pending is null && ReferenceEquals(second, first)))", "DisplayName~owners that take turns|DisplayName~several owners on one", Interleaving),
        s_table.This("PortLookup.Count: a port that cools after several owners is several ports", "PortLookup.cs", "                isCooling |= word.Stage == ClaimStage.Ended", "                cooling += MUTANT && isCooling ? 1 : 0;\n                isCooling |= word.Stage == ClaimStage.Ended", "PortTableTests"),
        s_table.This("PortLookup.TellsMore: the last to leave tells, though it came to nothing", "PortLookup.cs", "return hasLeftNothing == otherLeft", "return MUTANT || hasLeftNothing == otherLeft", "FailingStoreTests"),
        s_table.This("PortLookup.CoolsAfterDeathOf: whoever died there", "PortLookup.cs", "&& meant.Cell?.Owner == owner.Owner)\n            {\n                return space", "&& (MUTANT || meant.Cell?.Owner == owner.Owner))\n            {\n                return space", "GateTests|PortRegistryReuse|PortRegistryMemory") with
        {
            AliveBecause = "A port is remembered for an owner only until another one has had it, so nobody else died there since.",
        },
    ];

    private static IEnumerable<Mutant> Numbers =>
    [
        s_table.This("EpochSource.Next: not above what it is told", "EpochSource.cs", "NextOf(stripe, Math.Max(last, after))", "NextOf(stripe, MUTANT ? last : Math.Max(last, after))", "EpochSourceTests|EpochOrder"),
        s_table.This("EpochSource.Next: one that was taken before, though the caller knows a higher one", "EpochSource.cs", "next = next > after ? next :", "next = MUTANT || next > after ? next :", "EpochSourceTests|EpochOrder"),
        s_table.This("EpochSource.Take: two threads have one number", "EpochSource.cs", "ref place, end - _round, last)", "ref place, MUTANT ? next : end - _round, last)", "EpochSourceTests"),
        s_table.This("EpochSource.NextOf: the stripes share numbers", "EpochSource.cs", "long place = (long)stripe * Spacing;", "long place = MUTANT ? 0 : (long)stripe * Spacing;", "EpochSourceTests"),
        s_table.This("ChangeLog.TryRead: a revision of the future is accepted", "ChangeLog.cs", "after > last)\n        {\n            return false", "(!MUTANT && after > last))\n        {\n            return false", "PortRegistryWatch"),
        s_table.This("ChangeLog.TryRead: a revision of an earlier run is accepted", "ChangeLog.cs", "if (after < _first ||", "if ((!MUTANT && after < _first) ||", "PortRegistryWatch"),
        s_table.This("ChangeLog.TryRead: what was overtaken is not told", "ChangeLog.cs", "if (change!.Revision != after)", "if (!MUTANT && change!.Revision != after)", "PortRegistryWatch|WatchMirror"),
        s_table.This("ChangeLog.TryRead: all there is at once", "ChangeLog.cs", "Math.Min(last, after + MaxRead)", "Math.Min(last, MUTANT ? last : after + MaxRead)", "PortRegistryWatchTests.Watch_ManyChanges"),
        s_table.This("ChangeLog.Append: what became of a claim is told after its end", "ChangeLog.cs", "if (living.Now().Stage == ClaimStage.Ended)", "if (!MUTANT && living.Now().Stage == ClaimStage.Ended)", "PortTableTests"),
        s_table.This("ChangeLog.Append: nobody is woken", "ChangeLog.cs", "                Wake();\n                return;", "                if (!MUTANT) { Wake(); }\n                return;", "PortRegistryWatchTests"),
        s_table.This("OwnerHash.Of: names of one length are one", "OwnerHash.cs", "return (int)(Fold(Read(ref bytes, 0) ^ _a,", "return (int)(MUTANT ? hash : Fold(Read(ref bytes, 0) ^ _a,", "LookupTests"),
        s_table.This("RegistryClock: goes back when the host's clock does", "RegistryClock.cs", "now > last;", "MUTANT || now > last;", "ClockTests"),
    ];
}
