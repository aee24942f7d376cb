namespace Portmap.Mutants.Lists;

/// <summary>Faults in the verbs: who may do what, which port is taken, what a refusal leaves
/// behind.</summary>
internal static class OperationMutants
{
    private static readonly ListOf s_core = new("src/Portmap/", "Portmap.Tests");
    private static readonly ListOf s_operations = new("src/Portmap/Operations/", "Portmap.Tests");

    public static IEnumerable<Mutant> All => [.. Registrations, .. Rights, .. Releases, .. Acquisitions, .. Journals];

    private static IEnumerable<Mutant> Registrations =>
    [
        s_operations.This("RegistrationRight.WithoutEpoch: a lease of port 0 is used up by the owner's previous process", "RegistrationRight.cs", "(lease.Port == 0 && !isBack)", "(lease.Port == 0 && (MUTANT || !isBack))", "LeaseHalvesTests"),
        s_operations.This("RegistrationRight.ByEpoch: another port is of the first strategy", "RegistrationRight.cs", "Origin = bound.Origin, Strategy = bound.Strategy }", "Origin = bound.Origin, Strategy = MUTANT ? default : bound.Strategy }", "EpochAgainTests.Register_OnAnotherPort"),
        s_operations.This("PortHunt.Forget: what was remembered is asked for", "PortHunt.cs", "if (_isRecalled)", "if (!MUTANT && _isRecalled)", "KeptPlaceholderTests"),
        s_operations.This("BlockHunt.Find: what is not written yet is passed over", "BlockHunt.cs", "if (_found == PortAvailability.Unwritten)", "if (!MUTANT && _found == PortAvailability.Unwritten)", "KeptPlaceholderTests"),
        s_operations.This("BlockHunt.Find: a row past the last port is looked for", "BlockHunt.cs", "row > 0 && row + members.Length - 1 <= 65_535 ?", "MUTANT || (row > 0 && row + members.Length - 1 <= 65_535) ?", "BlockTests.TryAcquireAll_Required"),
        s_operations.This("BlockHunt.TakeRequired: one dead holder only", "BlockHunt.cs", "failed = TryTake(first, Last, now);   // each", "failed = TryTake(first, Last, now); if (MUTANT) { break; }   // each", "BlockTests.TryAcquireAll_Required"),
        s_operations.This("Registration.Ask: a socket that is passed may be another's", "Registration.cs", "IsOwnSocket: isPassed", "IsOwnSocket: !MUTANT && isPassed", "PassSocketTests.Register_OnThePortOfAnothersSocket"),
        s_operations.This("RegistrationRight.Decide: the same again draws a new epoch", "RegistrationRight.cs", "if (!bound.IsNone && bound.Port == wanted.Port &&", "if (!MUTANT && !bound.IsNone && bound.Port == wanted.Port &&", "PortSessionRegister"),
        s_operations.This("RegistrationRight.ByEpoch: a living process is replaced by its own epoch", "RegistrationRight.cs", "refusal = OwnerRights.MayReplace(caller, bound) ? null : Refusals.OwnerConflict(wanted.Place, bound);\n            return new RegistrationRight { Beside", "refusal = MUTANT || OwnerRights.MayReplace(caller, bound) ? null : Refusals.OwnerConflict(wanted.Place, bound);\n            return new RegistrationRight { Beside", "PortRegistryEpoch|EpochAgain|PortSessionRegister"),
        s_operations.This("RegistrationRight.ByEpoch: an epoch that is over comes back", "RegistrationRight.cs", "last?.IsOf(wanted.Epoch) == true)", "(MUTANT || last?.IsOf(wanted.Epoch) == true))", "PortRegistryEpoch|EpochAgain"),
        s_operations.This("RegistrationRight.WithoutEpoch: a living process is replaced without one", "RegistrationRight.cs", "refusal = !bound.IsNone && !OwnerRights.MayReplace(caller, bound) ?", "refusal = !MUTANT && !bound.IsNone && !OwnerRights.MayReplace(caller, bound) ?", "PortSessionRegister"),
        s_operations.This("RegistrationRight.UsingUp: on any port", "RegistrationRight.cs", ": lease.Port != 0 && lease.Port != wanted.Port ?", ": !MUTANT && lease.Port != 0 && lease.Port != wanted.Port ?", "PortRegistryEpoch|PortSessionRegister|PortLeaseTests"),
        s_operations.This("Registration.Ask: who takes another's port proves nothing", "Registration.cs", "if (!right.Replaces && !isKept &&", "if (MUTANT || !right.Replaces && !isKept &&", "TakingProof"),
        s_operations.This("Registration.Ask: who replaces proves nothing", "Registration.cs", "_hasProof = refusal is null;", "refusal = MUTANT && right.Replaces ? null : refusal;\n        _hasProof = refusal is null;", "TakingProof"),
        s_operations.This("Registration.Check: a dead process registers", "Registration.cs", "?? (session.CheckAliveToRegister(now) ? null", "?? (MUTANT || session.CheckAliveToRegister(now) ? null", "LivenessTests|PortSessionRegister|DisconnectTests"),
        s_operations.This("Registration.Check: a session that has ended registers", "Registration.cs", "?? (session.IsConnected || session.IsDead ? null", "?? (MUTANT || session.IsConnected || session.IsDead ? null", "DisconnectTests|PortSessionRegister"),
        s_operations.This("Registration.RankOf: the epoch of the lease, though the port has seen a higher one", "Registration.cs", "return lease.Epoch >= Math.Max(onPort, ofOwner)", "return (MUTANT || lease.Epoch >= Math.Max(onPort, ofOwner))", "EpochOrder|PortRegistryEpoch"),
        s_operations.This("Registration.RankOf: what ended beside a lease of an earlier run does not count", "Registration.cs", "&& IsOfThisRun(lease) ?", "&& (MUTANT || IsOfThisRun(lease)) ?", "EpochOrder"),
        s_operations.This("Registration.RankOf: the numbers below a lease of an earlier run are given again", "Registration.cs", "(beside, IsOfThisRun(beside) ? ", "(beside, MUTANT || IsOfThisRun(beside) ? ", "EpochOrder"),
        s_operations.This("Registration.RankOf: one that replaces cannot be told to have failed", "Registration.cs", "if (right.Replaces && lease.Port == 0", "if (!MUTANT && right.Replaces && lease.Port == 0", "NothingCameOfItStore"),
        s_operations.This("Registration.RankOf: the worker's number is forgotten", "Registration.cs", "right.Origin = lease.Epoch;", "right.Origin = MUTANT ? 0 : lease.Epoch;", "EpochOrder|PortRegistryEpoch|EpochAgain"),
        s_operations.This("Registration.Rank: the mark is not raised", "Registration.cs", "if (rank < ofOwner)", "if (!MUTANT && rank < ofOwner)", "EpochOrder|PortSessionBesideLease"),
        s_operations.This("Registration.RefuseHeld: who died holds the port", "Registration.cs", "if (process.CheckAlive())\n            {\n                return Refusals.PortConflict", "if (MUTANT || process.CheckAlive())\n            {\n                return Refusals.PortConflict", "PortSessionRegister|LivenessTests"),
        s_operations.This("Registration.Finish: a process that died meanwhile is served", "Registration.cs", "if (_session.IsOver)\n            {", "if (!MUTANT && _session.IsOver)\n            {", "DisplayName~a process dies while it registers|DisplayName~a process dies while it is replaced", "Portmap.Interleaving.Tests") with
        {
            AliveBecause = "A session that is over serves nothing, and the next pass ends what it has: the same a second later.",
        },
        s_operations.This("Registration.VerifyAsync: everybody is believed", "Registration.cs", "return ListenerCheck.Refuse(new(request.Protocol, port, session.Process", "return MUTANT ? null : ListenerCheck.Refuse(new(request.Protocol, port, session.Process", "VerifiedListener"),
    ];

    private static IEnumerable<Mutant> Rights =>
    [
        s_operations.This("OwnerRights.SpeaksFor: another user speaks", "OwnerRights.cs", "user == UserOf(claim))", "(MUTANT || user == UserOf(claim)))", "OwnerRightsTests"),
        s_operations.This("OwnerRights.SpeaksFor: root does not", "OwnerRights.cs", "caller.IsTrusted\n        || (caller.UserId is", "(caller.IsTrusted && !MUTANT)\n        || (caller.UserId is", "OwnerRightsTests"),
        s_operations.This("OwnerRights.SpeaksFor: the dead keep their claims", "OwnerRights.cs", "SessionHolder.Of(claim) is { } session ? !session.CheckAlive()", "SessionHolder.Of(claim) is { } session ? !MUTANT && !session.CheckAlive()", "OwnerRightsTests"),
        s_operations.This("OwnerRights.MayEndUnnamed: of the same user is enough", "OwnerRights.cs", "IsOwn(caller, claim) || SessionHolder.Of(claim)?.CheckAlive() == false;", "(MUTANT && caller.UserId == UserOf(claim)) || IsOwn(caller, claim) || SessionHolder.Of(claim)?.CheckAlive() == false;", "PortSessionRelease|OwnerRightsTests"),
        s_operations.This("OwnerRights.AgainstUse: a lease may replace anybody's registration", "OwnerRights.cs", "return bound.IsNone || isOfHost ||", "return MUTANT || bound.IsNone || isOfHost ||", "OwnerRightsTests"),
        s_operations.This("OwnerRights.IsBackFor: anybody is back for an unknown process", "OwnerRights.cs", "caller.UserId == hidden.UserId);", "MUTANT || caller.UserId == hidden.UserId);", "OwnerRightsTests|DisconnectTests"),
        s_operations.This("EpochFence.Resolve: any number of another run counts", "EpochFence.cs", "return last?.IsOf(epoch) == true ||", "return MUTANT || last?.IsOf(epoch) == true ||", "PortRegistryEpoch|EpochsOfOtherRuns"),
        s_operations.This("EpochFence.Resolve: what a process was told before it was told again is of nobody", "EpochFence.cs", "if (epoch < served.Epoch &&", "if (!MUTANT && epoch < served.Epoch &&", "NothingCameOfIt"),
        s_operations.This("EpochFence.Resolve: what a process was told before it was told again is of anybody", "EpochFence.cs", "&& OwnerRights.Owns(caller, served))", "&& (MUTANT || OwnerRights.Owns(caller, served)))", "NothingCameOfIt"),
        s_operations.This("EpochFence.Resolve: a state that was read whole fences nobody", "EpochFence.cs", "(_knowsAll && (isOutrun", "(_knowsAll && !MUTANT && (isOutrun", "EpochsOfOtherRuns"),
    ];

    private static IEnumerable<Mutant> Releases =>
    [
        s_operations.This("Release.Step: the UDP half stays", "Release.cs", "first.Kind == AnswerKind.Done && _lease.Twin", "!MUTANT && first.Kind == AnswerKind.Done && _lease.Twin", "LeaseHalvesTests"),
        s_operations.This("Release.EndByEpoch: whoever knows the epoch", "Release.cs", "return _caller is not null && !OwnerRights.SpeaksFor", "return !MUTANT && _caller is not null && !OwnerRights.SpeaksFor", "OwnerRightsTests|PortSessionRelease"),
        s_operations.This("Release.EndByEpoch: a lower epoch is done", "Release.cs", "return newest.Epoch > epoch ?", "return !MUTANT && newest.Epoch > epoch ?", "PortRegistryEpoch|PortSessionRelease"),
        s_operations.This("Release.EndUnnamed: the port does not matter", "Release.cs", "if (_port != 0 && has.Served.Port != _port)", "if (!MUTANT && _port != 0 && has.Served.Port != _port)", "PortSessionRelease"),
        s_operations.This("Release.EndUnnamed: anybody", "Release.cs", "return OwnerRights.MayEndUnnamed(_caller!, has.Served)", "return MUTANT || OwnerRights.MayEndUnnamed(_caller!, has.Served)", "PortSessionRelease|OwnerRightsTests"),
        s_operations.This("OwnerRights.MayEndUnnamed: the host is a caller as any", "OwnerRights.cs", "caller.IsOfHost ||", "(!MUTANT && caller.IsOfHost) ||", "PortRegistryReleaseTests"),
        s_operations.This("Release.EndUnnamedLease: the lease of another", "Release.cs", ": OwnerRights.MayEndUnnamed(_caller!, lease) ?", ": MUTANT || OwnerRights.MayEndUnnamed(_caller!, lease) ?", "PortSessionRelease|OwnerRightsTests"),
        s_operations.This("Release.RunAsync: answers before the end is on disk", "Release.cs", "if (await parts.Journal!.FlushAsync().ConfigureAwait(false) is { } failure)", "if (!MUTANT && await parts.Journal!.FlushAsync().ConfigureAwait(false) is { } failure)", "ConfirmedTests|FailingStore"),
        s_operations.This("Release.EndUnnamed: the lease on the port stays", "Release.cs", "return EndUnnamedLease(has, now);   // it may", "return MUTANT ? Answer.Done : EndUnnamedLease(has, now);   // it may", "PortRegistryReleaseTests"),
        s_operations.This("Release.EndHalf: a program that was started again keeps the port", "Release.cs", "half.Origin, now);   // registered", "MUTANT ? half.Epoch : half.Origin, now);   // registered", "EpochOrderTests"),
        s_operations.This("Release.Over: an end that came too late is confirmed", "Release.cs", "if (_parts.IsDisposed && has.IsAnyLate())", "if (!MUTANT && _parts.IsDisposed && has.IsAnyLate())", "UnwrittenFactTests.ReleaseAsync", "Portmap.Interleaving.Tests"),
    ];

    private static IEnumerable<Mutant> Acquisitions =>
    [
        s_operations.This("PortHunt.TakeBoth: the TCP guard stays when UDP is busy", "PortHunt.cs", "_parts.Guard.GiveBack(claim!.Guarded);", "if (!MUTANT) { _parts.Guard.GiveBack(claim!.Guarded); }", "GateTests|StrangerTests"),
        s_operations.This("PortHunt.TakeBoth: the TCP claim stays when UDP is busy", "PortHunt.cs", "PortTable.GiveUp(claim!, now);", "if (!MUTANT) { PortTable.GiveUp(claim!, now); }", "PortRegistryProtocol|StrangerTests|GateTests"),
        s_operations.This("PortHunt.TakeBoth: the port is not put back for others", "PortHunt.cs", "_aside.Add(port, lingers: false);", "if (!MUTANT) { _aside.Add(port, lingers: false); }", "PortRegistryProtocol"),
        s_operations.This("PortHunt.TakeBoth: the second epoch is not above its port's", "PortHunt.cs", "if (epoch <= seen.HighestEpoch)", "if (!MUTANT && epoch <= seen.HighestEpoch)", "DisplayName~both protocols", "Portmap.Interleaving.Tests"),
        s_operations.This("PortHunt.TakePrevious: a dead holder keeps an insisted port", "PortHunt.cs", "return found == PortAvailability.InUse && InsistedPort.EndDeadHolders", "return !MUTANT && found == PortAvailability.InUse && InsistedPort.EndDeadHolders", "PortRegistryReuse|LivenessTests"),
        s_operations.This("PortHunt.TakePrevious: Require gives another", "PortHunt.cs", "?? (reuse == PortReuse.Require ?", "?? (!MUTANT && reuse == PortReuse.Require ?", "PortRegistryReuse"),
        s_operations.This("PortHunt.TryStrategy: a port outside the asked ranges is given", "PortHunt.cs", "(Request.Ports is not null && !_pool.Contains(_answer))", "(!MUTANT && Request.Ports is not null && !_pool.Contains(_answer))", "PortRegistryRanges"),
        s_operations.This("PortHunt.TryLastResorts: a cooling port of other ranges is given", "PortHunt.cs", "Hints.TryTakeCooling(_pool, now)", "Hints.TryTakeCooling(MUTANT ? Settings.Ports : _pool, now)", "PortRegistryRanges"),
        s_operations.This("PortHunt.TryKept: a kept number is given though other ranges are asked for", "PortHunt.cs", "if (port == 0 || !_pool.Contains(port)", "if (port == 0 || (!MUTANT && !_pool.Contains(port))", "KeptPorts"),
        s_operations.This("AskedPools: ranges outside of Ports are given", "AskedPools.cs", "range => !IsHandedOut(range)", "range => !MUTANT && !IsHandedOut(range)", "PortRegistryRanges"),
        s_operations.This("LeaseTimes.TryExtend: a lease whose time is closed is extended", "LeaseTimes.cs", "|| !(ReferenceEquals(closed, lease.Claim) ||", "|| MUTANT || !(ReferenceEquals(closed, lease.Claim) ||", "LeaseTimesTests", "Portmap.Interleaving.Tests"),
        s_operations.This("LeaseTimes.EndsAtMs: an extension shortens", "LeaseTimes.cs", "if (extras?.ExtendedToMs >= toMs)", "if (!MUTANT && extras?.ExtendedToMs >= toMs)", "PortLeaseTime"),
        s_operations.This("Extension: not written", "Extension.cs", "if (!journal.TryQueueAgain(open, twin))", "if (!MUTANT && !journal.TryQueueAgain(open, twin))", "PortLeaseTime"),
        s_operations.This("ClaimJournal.QueueAgain: what has ended is written as ended", "ClaimJournal.cs", "!claim.IsNone && claim.Now() is { Stage: ClaimStage.Bound or ClaimStage.Reserved } now ?", "!claim.IsNone && claim.Now() is var now && (MUTANT || now.Stage is ClaimStage.Bound or ClaimStage.Reserved) ?", "DisplayName~BetweenAnyTwoSteps", "Portmap.Interleaving.Tests"),
        s_operations.This("ClaimJournal.TryQueue: a group says what its members have become", "ClaimJournal.cs", "claim = claim.Stage == ClaimStage.Ended ?", "claim = !MUTANT && claim.Stage == ClaimStage.Ended ?", "DisplayName~BetweenAnyTwoSteps", "Portmap.Interleaving.Tests"),
        s_core.This("PortLease.OnHealed: only from the claim that failed", "PortLease.State.cs", "while (present.IsHealedBy(claim))", "while (present.IsHealedBy(claim) && (!MUTANT || ReferenceEquals(present, failed)))", "AcquisitionFaultTests", "Portmap.Interleaving.Tests"),
        s_operations.This("LeaseExtras.HealTwin: a lease takes the place of its registration", "LeaseExtras.cs", "extras.Twin?.IsHealedBy(twin) == true ?", "(MUTANT ? !ReferenceEquals(extras.Twin, twin) : extras.Twin?.IsHealedBy(twin) == true) ?", "AcquisitionFaultTests", "Portmap.Interleaving.Tests"),
        s_operations.This("ClaimEvents.TookEffect: the placeholder of an outranked lease stays", "ClaimEvents.cs", "if (used.IsLease && used.Epoch != claim.Epoch)", "if (!MUTANT && used.IsLease && used.Epoch != claim.Epoch)", "GateTests"),
        s_operations.This("LeaseExtras.EndToken: who asks late is not told", "LeaseExtras.cs", "_ = bound.IsFaulted ?", "_ = bound.IsFaulted && !MUTANT ?", "PortLeaseTime") with
        {
            AliveBecause = "A continuation on a task that is over runs at once: the same by a longer way.",
        },
        s_operations.This("PortHunt.FindNow: Fresh gives the old port first", "PortHunt.cs", "_avoid = reuse == PortReuse.Fresh ? Request.PreviousPort : 0;", "_avoid = !MUTANT && reuse == PortReuse.Fresh ? Request.PreviousPort : 0;", "PortRegistryReuse"),
        s_operations.This("PortHunt.Ask: Fresh gives the remembered port first", "PortHunt.cs", "_parts.Table.Memory.WasLast(Owner, port))", "!MUTANT && _parts.Table.Memory.WasLast(Owner, port))", "PortRegistryMemory"),
        s_operations.This("PortHunt.TryLastResorts: a port that cools is never taken", "PortHunt.cs", "Terms terms = new(IsInsisted: true, Settings.ReuseCooling);", "Terms terms = new(IsInsisted: true, Settings.ReuseCooling && !MUTANT);", "PortRegistryCooling"),
        s_operations.This("PortHunt.TryLastResorts: taken though the options forbid it", "PortHunt.cs", "found = Take(cooled, terms, now);", "found = Take(cooled, MUTANT ? terms with { TakesCooling = true } : terms, now);", "PortRegistryCooling"),
        s_operations.This("PortHunt.FindLater: what is cooled comes after what still cools", "PortHunt.cs", "if (_failure is null && _parts.Table.FreeCooled", "if (!MUTANT && _failure is null && _parts.Table.FreeCooled", "PortRegistryCooling"),
        s_operations.This("SetAsidePorts.GiveUp: a stranger's port is offered again at once", "SetAsidePorts.cs", "table.TryMarkForeign(taken.Protocol", "if (!MUTANT) table.TryMarkForeign(taken.Protocol", "StrangerTests|PortmapMetrics"),
        s_operations.This("SetAsidePorts.PutBack: a port with a TIME_WAIT is lost", "SetAsidePorts.cs", "hints.Cool(port, now);", "if (!MUTANT) { hints.Cool(port, now); }", "StrangerTests"),
        s_operations.This("Acquisition.HoldAgainst: another session replaces who serves", "Acquisition.cs", "else if (acquirer is not null && !OwnerRights.SpeaksFor", "else if (!MUTANT && acquirer is not null && !OwnerRights.SpeaksFor", "OwnerRightsTests"),
        s_operations.This("Acquisition.HoldAgainst: the dead are served", "Acquisition.cs", "if (!session.CheckAlive())\n", "if (!MUTANT && !session.CheckAlive())\n", "UnlessServed|LivenessTests"),
        s_operations.This("Acquisition.FindOrUndo: what fails stays half taken", "Acquisition.cs", "Undo(now);   // whatever failed", "if (!MUTANT) { Undo(now); }   // whatever failed", "AcquisitionFaultTests", "Portmap.Interleaving.Tests"),
        s_operations.This("Healing.ReportAsync: bind attempts are not counted", "Healing.cs", "        lease.AddTried(port, failed.Epoch);\n        (PortRefusal?", "        if (!MUTANT) { lease.AddTried(port, failed.Epoch); }\n        (PortRefusal?", "PortBindFailureTests"),
        s_operations.This("Healing.MarkForeignIfTaken: whatever is reported becomes a stranger's", "Healing.cs", "&& parts.Guard.IsTaken(protocol, port))", "&& (MUTANT || parts.Guard.IsTaken(protocol, port)))", "PortBindFailure"),
        s_operations.This("Healing.Required: a remembered port is not required", "Healing.cs", "request.PreviousPort != 0 ? request.PreviousPort :", "request.PreviousPort != 0 || MUTANT ? request.PreviousPort :", "PortBindFailure"),
        s_core.This("PortLease.ReportBindFailureAsync: TCP alone of both", "PortLease.cs", "ReportAsync(this, Protocol, Port)", "ReportAsync(this, MUTANT ? Claim.Protocol : Protocol, Port)", "BindErrorTests"),
        s_operations.This("Healing.FindAnotherAsync: Require gets another port", "Healing.cs", "== PortReuse.Require && Required(request, failed) == port", "== PortReuse.Require && !MUTANT && Required(request, failed) == port", "PortBindFailure|PortRegistryReuse|GuardingDaemon|StrangerTests"),
        s_operations.This("Healing.AcquireAnewAsync: a second start takes the owner", "Healing.cs", "if (!has.Served.IsNone && !OwnerRights.MayReplace", "if (!MUTANT && !has.Served.IsNone && !OwnerRights.MayReplace", "OwnerRightsTests"),
        s_operations.This("Healing.ReportAsync: a lease that moves has ended", "Healing.cs", "while (failed.IsLease && !(isOpen", "while (!MUTANT && failed.IsLease && !(isOpen", "MovingLeaseTests", "Portmap.Interleaving.Tests"),
        s_operations.This("Healing.ReportAsync: who reports twice is told the port that failed", "Healing.cs", "        else\n        {\n            await MovedLease", "        else if (!MUTANT)\n        {\n            await MovedLease", "MovingLeaseTests", "Portmap.Interleaving.Tests"),
        s_operations.This("Extension: a lease that moves has ended", "Extension.cs", "null; !IsOpen(claim) && !ReferenceEquals", "null; !MUTANT && !IsOpen(claim) && !ReferenceEquals", "MovingLeaseTests", "Portmap.Interleaving.Tests"),
        s_operations.This("Healing.ReportAsync: the second who reports finds no port, and is told that the lease is over", "Healing.cs", "            if (await HasMovedAsync(lease, failed).ConfigureAwait(false))\n            {\n                return;   // the other one got the last", "            if (!MUTANT && await HasMovedAsync(lease, failed).ConfigureAwait(false))\n            {\n                return;   // the other one got the last", "MovingLeaseTests", "Portmap.Interleaving.Tests"),
        s_operations.This("Healing.HasMovedAsync: a lease that is over and was not told so has moved", "Healing.cs", "&& lease.IsOpen && IsOpen(lease.Claim)", "&& lease.IsOpen && (MUTANT || IsOpen(lease.Claim))", "MovingLeaseTests", "Portmap.Interleaving.Tests"),
        s_operations.This("Healing.ReportAsync: a lease of which half was registered just now ends", "Healing.cs", "if (refusal is not null && IsHalfUsed", "if (!MUTANT && refusal is not null && IsHalfUsed", "MovingLeaseTests", "Portmap.Interleaving.Tests"),
        s_operations.This("Healing.ReportAsync: the next port fails while the other half comes to it", "Healing.cs", "if (!isNowhere && !ReferenceEquals(failedTwin, lease.Twin))", "if (!MUTANT && !isNowhere && !ReferenceEquals(failedTwin, lease.Twin))", "MovingLeaseTests", "Portmap.Interleaving.Tests"),
        s_operations.This("Acquisition.Publish: one half moves before it is known that the other can", "Acquisition.cs", "|| _replaced is not null))", "|| (!MUTANT && _replaced is not null)))", "MovingLeaseTests", "Portmap.Interleaving.Tests"),
        s_operations.This("PortHunt.Undo: nobody tells that a lease which moved is nowhere", "PortHunt.cs", "HasUndoneAMove = true;", "HasUndoneAMove = !MUTANT;", "MovingLeaseTests", "Portmap.Interleaving.Tests"),
        s_operations.This("ClaimJournal.TryQueueAgain: a fact that is told again comes after the end", "ClaimJournal.cs", "        TellEndAgain(claim);", "        if (!MUTANT) TellEndAgain(claim);", "UnwrittenFactTests", "Portmap.Interleaving.Tests"),
        s_operations.This("Healing.ReportAsync: a lease that was registered meanwhile ends for want of ports", "Healing.cs", "            parts.Counted(Refusals.LeaseOver(lease)).Throw();   // it was", "            if (!MUTANT) parts.Counted(Refusals.LeaseOver(lease)).Throw();   // it was", "MovingLeaseTests", "Portmap.Interleaving.Tests"),
        s_operations.This("Acquisition.Publish: the first half comes to the disk before the second is there", "Acquisition.cs", "if (_hunt.Both && (_parts.Table.Confirms", "if (_hunt.Both && (!MUTANT && _parts.Table.Confirms", "UnwrittenFact", "Portmap.Interleaving.Tests"),
        s_operations.This("MovedLease.Tell: a half outlives the other one", "MovedLease.cs", "if (!lease.IsOpen", "if (!MUTANT && !lease.IsOpen", "AcquisitionFaultTests", "Portmap.Interleaving.Tests"),
        s_operations.This("MovedLease.Tell: the end of the registry ends it on disk", "MovedLease.cs", "&& !parts.IsDisposed)", "&& (MUTANT || !parts.IsDisposed))", "UnwrittenFact", "Portmap.Interleaving.Tests"),
        s_operations.This("Extension.OpenHalf: a lease whose first half is used has ended", "Extension.cs", "return !IsOpen(first) && lease.Twin", "return !MUTANT && !IsOpen(first) && lease.Twin", "PortLeaseTime"),
        s_operations.This("Healing.ReportAsync: a lease that is used by half is said to have ended", "Healing.cs", "parts.Counted(IsHalfUsed(", "parts.Counted(!MUTANT && IsHalfUsed(", "PortBindFailure"),
        s_operations.This("Healing.ReportAsync: who picks its port counts twice for one failure", "Healing.cs", "(has.Lease.Port == 0 && !ILease", "(has.Lease.Port == 0 && MUTANT) || (has.Lease.Port == 0 && !ILease", "PortBindFailure"),
        s_operations.This("Acquisition.WhenThrown: the spans of what throws stay open", "Acquisition.cs", "        if (_replaced is null)\n        {\n            LeaseOutcome", "        if (!MUTANT && _replaced is null)\n        {\n            LeaseOutcome", "LeaseTraceTests"),
        s_operations.This("Acquisition.RunAsync: the spans of an ask of a disposed registry stay open", "Acquisition.cs", "            LeaseOutcome.EndTrace(lease, exception);   // which began", "            if (!MUTANT) { LeaseOutcome.EndTrace(lease, exception); }   // which began", "LeaseTraceTests"),
        s_operations.This("MapReader.ReadAsync: ends without the last change", "MapReader.cs", "else if (isLast)", "else if (isLast || (MUTANT && parts.Changes.IsCompleted))", "MapReaderTests", "Portmap.Interleaving.Tests"),
        s_operations.This("ServedProgram.Note: known sockets are forgotten when nobody is seen", "ServedProgram.cs", "known?.Intersect(sockets) ?? [];", "(MUTANT ? null : known?.Intersect(sockets)) ?? [];", "ProgramWithoutDescriptorsTests"),
        s_operations.This("ILease.HasTried: a failure that is told without its epoch is another", "ILease.cs", "(epoch == 0 || tried.Epoch", "((!MUTANT && epoch == 0) || tried.Epoch", "PortBindFailureTests"),
        s_operations.This("ClaimEvents.EndOtherHalf: half of a lease stays", "ClaimEvents.cs", "if (other.IsLease)\n", "if (!MUTANT && other.IsLease)\n", "LeaseHalves|PortRegistryProtocol"),
        s_operations.This("ClaimEvents.KindOf: a lost lease is told as released", "ClaimEvents.cs", "ClaimEnd.LostToListener => PortChangeKind.Taken,", "ClaimEnd.LostToListener => MUTANT ? PortChangeKind.Released : PortChangeKind.Taken,", "PortRegistryWatch|WatchMirror|PortmapMetrics"),
        s_core.This("RegistryLog.Ended: who left without a word is not told of", "Diagnostics/RegistryLog.cs", "case PortChangeKind.Disconnected:", "case PortChangeKind.Disconnected when !MUTANT:", "LogTests"),
        s_core.This("RegistryLog.Ended: a port that could not be bound is not told of", "Diagnostics/RegistryLog.cs", "case PortChangeKind.BindFailed:", "case PortChangeKind.BindFailed when !MUTANT:", "LogTests"),
        s_operations.This("ClaimEvents.Ended: what goes on loses its placeholder", "ClaimEvents.cs", "if (!goesOn && parts.Guard is not NoGuard)", "if ((MUTANT || !goesOn) && parts.Guard is not NoGuard)", "GateTests"),
        s_operations.This("ClaimEvents.Withdrew: the placeholder stays", "ClaimEvents.cs", "parts.Guard.GiveBack(claim.Guarded);", "parts.Guard.GiveBack(MUTANT ? default : claim.Guarded);", "GateTests"),
        s_operations.This("Refusals.InUse: a port that is kept for its owner is to be released there", "Refusals.cs", ": holder.State == PortState.Cooling\n", ": holder.State == PortState.Cooling && !MUTANT\n", "KeptWithoutDescriptors"),
        s_operations.This("InsistedPort.EndDeadHolders: the living too", "InsistedPort.cs", "is { } session && !session.CheckAlive())", "is { } session && (MUTANT || !session.CheckAlive()))", "PortRegistryReuse"),
    ];

    private static IEnumerable<Mutant> Journals =>
    [
        s_operations.This("ClaimJournal: the flush is four times too slow", "ClaimJournal.cs", "TimeSpan period = parts.Settings.BackgroundFlush / 2;", "TimeSpan period = parts.Settings.BackgroundFlush * (MUTANT ? 2 : 0.5);", "ClaimJournal"),
        s_operations.This("ClaimJournal.ExtendMark: never", "ClaimJournal.cs", "if (claim.Epoch > Volatile.Read(ref _extendAt))", "if (!MUTANT && claim.Epoch > Volatile.Read(ref _extendAt))", "ClaimJournal"),
        s_operations.This("ClaimJournal.ExtendMark: never for a group", "ClaimJournal.cs", "if (member.Epoch > Volatile.Read(ref _extendAt))", "if (!MUTANT && member.Epoch > Volatile.Read(ref _extendAt))", "ClaimJournalTests"),
        s_operations.This("ClaimJournal.AtMs: what came to nothing is told later than what goes on", "ClaimJournal.cs", "? Math.Min(now, ended.AtMs) : now;", "? (MUTANT ? now : Math.Min(now, ended.AtMs)) : now;", "DisplayName~BetweenAnyTwoSteps", "Portmap.Interleaving.Tests"),
        s_operations.This("ClaimJournal.NotClosed: nobody is told", "ClaimJournal.cs", "=> PortmapLog.StoreNotClosed(_parts.Log.Logger, failure);", "{ if (!MUTANT) { PortmapLog.StoreNotClosed(_parts.Log.Logger, failure); } }", "LogTests"),
        s_operations.This("Restoring.StrategyOf: a strategy that is gone is not told", "Restoring.cs", "if (!isKnown && fact.Strategy.Length != 0", "if (!MUTANT && !isKnown && fact.Strategy.Length != 0", "LogTests"),
        s_operations.This("Restoring.Restore: what was read is not told", "Restoring.cs", "PortmapLog.Opened(", "if (!MUTANT) PortmapLog.Opened(", "LogTests"),
        s_operations.This("ClaimJournal.FactOf: a lease comes back without its time", "ClaimJournal.cs", "PortState.Reserved => ToUtc(", "PortState.Reserved => MUTANT ? at : ToUtc(", "RecoveryTests|RestartMix"),
        s_operations.This("ClaimJournal.FactOf: a port that cooled is free after a restart", "ClaimJournal.cs", "PortState.Cooling when claim.Port != 0 &&", "PortState.Cooling when !MUTANT && claim.Port != 0 &&", "RecoveryTests|RecoveryRules|RestartMix"),
        s_operations.This("ClaimJournal.FactOf: the process is not written", "ClaimJournal.cs", "ProcessStart = process.StartTime,", "ProcessStart = MUTANT ? 0 : process.StartTime,", "RecoveryTests"),
        s_operations.This("ClaimJournal.Failed: what was refused is written later", "ClaimJournal.cs", "if (!fact.IsAgain)\n", "if (!fact.IsAgain && !(MUTANT && _parts.Table.Facts.IsInForce(key)))\n", "NothingCameOfIt|WrittenAgain"),
        s_operations.This("ClaimJournal.TellLeasesAgain: half of a lease is not told", "ClaimJournal.cs", "else if (new ClaimView(lease.Claim)", "else if (!MUTANT && new ClaimView(lease.Claim)", "ClockTests"),
        s_operations.This("ClaimJournal.Sealed: half of a lease stays on disk", "ClaimJournal.cs", "withdrawn.AddRange(_parts.Table.Facts.WithdrawAlone(lease.Owner, lease));", "if (!MUTANT) { withdrawn.AddRange(_parts.Table.Facts.WithdrawAlone(lease.Owner, lease)); }", "UnwrittenFact", @in: "Portmap.Interleaving.Tests"),
        s_operations.This("ClaimJournal.Failed: the failure is told again and again", "ClaimJournal.cs", "            _isTold = true;\n", "            _isTold = !MUTANT;\n", "FailingStore|StoreException|LoggedNames"),
        s_operations.This("Confirmation.StepsAsync: waits for a turn that may be over", "Confirmation.cs", "parts.Journal!.Kick();", "if (!MUTANT) { parts.Journal!.Kick(); }", "LastTurnTests"),
        s_operations.This("Confirmation.MayBringPorts: never", "Confirmation.cs", "return parts.Journal is", "return !MUTANT && parts.Journal is", "Persistence.ConfirmedTests|Persistence.AcquireAllStoreTests|FailingStoreTests"),
        s_operations.This("PortEntries.AddByPort: one of those that share a port is left out", "PortEntries.cs", "at != 0; at = before[at - 1])", "at != 0; at = MUTANT ? 0 : before[at - 1])", "SnapshotTests"),
        s_operations.This("PortEntries.AddByPort: those of one port in any order", "PortEntries.cs", "if (inOrder.Count - first > 1)", "if (!MUTANT && inOrder.Count - first > 1)", "SnapshotTests"),
        s_operations.This("PortEntries.AddByPort: leases without a number are left out", "PortEntries.cs", "        AddOf(0);", "        if (!MUTANT) { AddOf(0); }", "SnapshotTests"),
        s_operations.This("PortEntries.CountOnce: a shared port has one owner", "PortEntries.cs", "if (!claim.IsShared)\n", "if (MUTANT || !claim.IsShared)\n", "SnapshotTests|ListingTests|SharedPort"),
        s_operations.This("PortEntries.StateOf: one of before a restart is Bound", "PortEntries.cs", "session.IsRecovered ? PortState.Recovered", "!MUTANT && session.IsRecovered ? PortState.Recovered", "Persistence"),
        s_operations.This("PlainAcquisition.TryGrant: the owner's last port is as good as any", "PlainAcquisition.cs", "if (port > 0 && table.Memory.WasLast(place, owner, port))", "if (!MUTANT && port > 0 && table.Memory.WasLast(place, owner, port))", "PortRegistryReuse|PortRegistryMemory"),
        s_operations.This("AcquiredLeases.Prune: a session forgets a lease whose UDP half is served", "AcquiredLeases.cs", "|| (node.Lease.Twin is { } twin && events.Matters(twin)))", "|| (!MUTANT && node.Lease.Twin is { } twin && events.Matters(twin)))", "AcquiredLeasesTests"),
        s_operations.This("AcquiredLeases.IsOf: what a program that was started again has is another's", "AcquiredLeases.cs", "acquired.Origin == claim.Origin &&", "(MUTANT ? acquired.Epoch == claim.Epoch : acquired.Origin == claim.Origin) &&", "AcquiredLeasesTests"),
        s_core.This("PortTable.Matters: what a program that was started again has does not", "Table/PortTable.cs", "(cell.Served()?.Origin == claim.Origin ||", "((MUTANT ? cell.Served()?.Epoch : cell.Served()?.Origin) == claim.Origin ||", "AcquiredLeasesTests"),
    ];
}
