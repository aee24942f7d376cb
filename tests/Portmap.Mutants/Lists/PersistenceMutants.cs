namespace Portmap.Mutants.Lists;

/// <summary>Faults in what is written, synced, read back and recovered.</summary>
internal static class PersistenceMutants
{
    private static readonly ListOf s_persistence = new("src/Portmap/Persistence/", "Portmap.Tests");

    public static IEnumerable<Mutant> All => [.. Lines, .. Files, .. Compactions, .. Folders, .. Facts, .. Recoveries, .. Writers];

    private static IEnumerable<Mutant> Lines =>
    [
        s_persistence.This("FactLine.IsSealed: a line of a wrong checksum counts", "FactLine.cs", "return line.StartsWith(prefix);", "return MUTANT || line.StartsWith(prefix);", "StateFileDamage"),
        s_persistence.This("FactLine.Measure: the user is left out", "FactLine.cs", "\" uid=\"u8.Length + Digits(user)", "(MUTANT ? 0 : \" uid=\"u8.Length + Digits(user))", "FactLineTests"),
        s_persistence.This("FactLine.TryWrite: a line too long is written", "FactLine.cs", "if (end > MaxLength)", "if (!MUTANT && end > MaxLength)", "StoreDuty"),
        s_persistence.This("FactLine.PutClaim: the origin is left out", "FactLine.cs", "end = fact.Origin != 0 ? Put", "end = !MUTANT && fact.Origin != 0 ? Put", "FactLineTests"),
        s_persistence.This("FactLine.PutClaim: the ranges are left out", "FactLine.cs", "end = fact.Ports is { } ports ? PutText", "end = fact.Ports is { } ports && !MUTANT ? PutText", "FactLineTests"),
        new("Restoring.RestoreLease: the ranges are forgotten", "src/Portmap/Operations/Restoring.cs", "Ports = parts.Pools.Told(first.Ports),", "Ports = MUTANT ? null : parts.Pools.Told(first.Ports),", "Portmap.Tests", "FullyQualifiedName~RecoveryTests.OpenAsync_LeaseOfCertainRanges"),
        s_persistence.This("FactLine.Escaped: the mark of a line is not escaped", "FactLine.cs", "value == '\\\\' || value == Mark", "value == '\\\\' || (!MUTANT && value == Mark)", "FactLineTests|LostLineBreak"),
        s_persistence.This("FactLine.Escaped: a blank in a strategy's name is not escaped", "FactLine.cs", "(withBlank && value == ' ')", "(withBlank && !MUTANT && value == ' ')", "FactLineTests|StrategyName"),
        s_persistence.This("FactLineReader.Read: a port beyond 65535 is read", "FactLineReader.cs", "port is >= 0 and <= ushort.MaxValue", "(MUTANT || port is >= 0 and <= ushort.MaxValue)", "FactLineTests"),
        s_persistence.This("FactLineReader.Read: what follows a mark is ignored", "FactLineReader.cs", "rest.Number(out long mark) && rest.IsEmpty", "rest.Number(out long mark) && (MUTANT || rest.IsEmpty)", "FactLineTests"),
        s_persistence.This("FactLineReader.Boot: the last one is taken for any", "FactLineReader.cs", "if (text.SequenceEqual(_bootText))", "if (text.SequenceEqual(_bootText) || (MUTANT && _bootText.Length > 0))", "FactLineTests"),
        s_persistence.This("FactLineReader.State: ended is read as bound", "FactLineReader.cs", "rest.Skip(\" ended\"u8) ? PortState.Cooling", "rest.Skip(\" ended\"u8) ? (MUTANT ? PortState.Bound : PortState.Cooling)", "FactLineTests"),
        s_persistence.This("LineTime.Write: minutes beyond the hour", "LineTime.cs", "ms / 60_000 % 60", "ms / 60_000 % (MUTANT ? 100 : 60)", "FactLineTests"),
        s_persistence.This("LineTime.TryRead: the 30th of February is a day", "LineTime.cs", "day > DateTime.DaysInMonth(year, month)", "day > (MUTANT ? 28 : DateTime.DaysInMonth(year, month))", "FactLineTests"),
    ];

    private static IEnumerable<Mutant> Files =>
    [
        s_persistence.This("FilePortStore.WriteAtEnd: not synced", "FilePortStore.cs", "        file.Sync();\n        _isTorn = _isSuspect = false;", "        if (!MUTANT) { file.Sync(); }\n        _isTorn = _isSuspect = false;", "StoreCrash"),
        s_persistence.This("FilePortStore.WriteAtEnd: a failed sync is forgotten", "FilePortStore.cs", "second fsync then succeeds over nothing.\n        _isSuspect = true;", "second fsync then succeeds over nothing.\n        _isSuspect = !MUTANT;", "StoreDuty"),
        s_persistence.This("FilePortStore.WriteAtEnd: a torn end stays", "FilePortStore.cs", "if (_isTorn)", "if (!MUTANT && _isTorn)", "StoreDuty"),
        s_persistence.This("FilePortStore.Open: a state that was in doubt is trusted", "FilePortStore.cs", "|| !isSettled ||", "|| (!MUTANT && !isSettled) ||", "StoreCrash"),
        s_persistence.This("FilePortStore.Open: a whole state is not synced", "FilePortStore.cs", "!_reader.TrySync(_file!)", "(!MUTANT && !_reader.TrySync(_file!))", "StoreCrash"),
        s_persistence.This("FilePortStore.Open: what a compaction left stays", "FilePortStore.cs", "_folder.Delete(NextName);", "if (!MUTANT) { _folder.Delete(NextName); }", "FilePortStoreTests"),
        s_persistence.This("StateReader.KeepAside: not synced", "StateReader.cs", "file.Sync();\n            folder.Sync();\n            file.Dispose();", "if (!MUTANT) { file.Sync(); folder.Sync(); }\n            file.Dispose();", "KeptAside"),
        s_persistence.This("StateReader.KeepAside: an earlier file is overwritten", "StateReader.cs", "name += \"+\";", "if (MUTANT) { break; }\n            name += \"+\";", "KeptAside"),
        s_persistence.This("StateReader.KeepAside: what is kept already is kept again", "StateReader.cs", "if (Holds(earlier, parts.WrittenSpan))", "if (!MUTANT && Holds(earlier, parts.WrittenSpan))", "KeptAside"),
        s_persistence.This("StateReader.KeepAside: half of it stays", "StateReader.cs", "folder.GiveUp(file, name);", "if (!MUTANT) { folder.GiveUp(file, name); }", "KeptAside"),
        s_persistence.This("StateReader.KeepAside: what is found is not synced", "StateReader.cs", "earlier.Sync();\n                folder.Sync();", "if (!MUTANT) { earlier.Sync(); folder.Sync(); }", "KeptAside"),
        s_persistence.This("FilePortStore.Open: damage is written over before the mark is there", "FilePortStore.cs", "_isSuspect = scan is { LostAny: true };", "if (MUTANT && scan is { LostAny: true }) { WriteAnew([]); }\n        _isSuspect = !MUTANT && scan is { LostAny: true };", "EpochsOverDamage"),
        s_persistence.This("OpenedStore.OpenAsync: too many owners are not counted", "OpenedStore.cs", "if (owners > start.MaxOwners)", "if (!MUTANT && owners > start.MaxOwners)", "RecoveryTests.OpenAsync_MoreOwners"),
        s_persistence.This("StateReader.Read: a newer version is read", "StateReader.cs", "scan.FileVersion > StateScan.Version", "!MUTANT && scan.FileVersion > StateScan.Version", "FilePortStoreTests"),
        s_persistence.This("StateReader.Read: a file of something else is taken", "StateReader.cs", "if (scan.Length > 0 && !scan.IsState)", "if (!MUTANT && scan.Length > 0 && !scan.IsState)", "FilePortStoreTests"),
        s_persistence.This("StateReader.Read: a torn end is not told", "StateReader.cs", "if (scan.TornBytes > 0)", "if (!MUTANT && scan.TornBytes > 0)", "StateFileDamage|StoreCrash"),
        s_persistence.This("FilePortStore.Append: facts are not kept for a compaction", "FilePortStore.cs", "_facts.Apply(fact);", "if (!MUTANT) { _facts.Apply(fact); }", "CompactionTests|StoreCrash"),
        s_persistence.This("FilePortStore.LoadAsync: the mark is not told", "FilePortStore.cs", "Array.ForEach(Standing(), onFact);", "Array.ForEach(MUTANT ? _facts.ToArray() : Standing(), onFact);", "RecoveryTests|FilePortStore"),
        s_persistence.This("StateScan: a line break lost before a mark is damage", "StateScan.cs", "LineEnd end = isLast ? lineEnd : LineEnd.Mark;", "LineEnd end = isLast ? lineEnd : MUTANT ? LineEnd.None : LineEnd.Mark;", "LostLineBreak"),
        s_persistence.This("StateScan.IsClean: a file with lost line breaks is appended to", "StateScan.cs", "LostBreaks == 0 &&", "(MUTANT || LostBreaks == 0) &&", "LostLineBreak|StateFileDamage"),
        s_persistence.This("StateScan.IsClean: a file that ends open is appended to", "StateScan.cs", "&& !EndsOpen;", "&& (MUTANT || !EndsOpen);", "StoreDuty"),
    ];

    private static IEnumerable<Mutant> Compactions =>
    [
        s_persistence.This("FilePortStore.Compact: what came meanwhile is lost", "FilePortStore.Compaction.cs", "if (_meanwhile!.WrittenCount > 0)", "if (!MUTANT && _meanwhile!.WrittenCount > 0)", "Compaction|StoreCrash"),
        s_persistence.This("FilePortStore.Compact: what came meanwhile is not synced", "FilePortStore.Compaction.cs", "length += _meanwhile.WrittenCount;\n                        next.Sync();", "length += _meanwhile.WrittenCount;\n                        if (!MUTANT) { next.Sync(); }", "StoreDuty"),
        s_persistence.This("FilePortStore.WriteAnew: the new file is not synced", "FilePortStore.Compaction.cs", "            next.Sync();\n            IStateFile taken = next;", "            if (!MUTANT) { next.Sync(); }\n            IStateFile taken = next;", "StoreCrash"),
        s_persistence.This("FilePortStore.WriteAnew: the batch is left out", "FilePortStore.Compaction.cs", "[.. Standing(), .. batch]", "[.. Standing(), .. MUTANT ? [] : batch]", "StoreCrash|StateMoved"),
        s_persistence.This("FilePortStore.TakeOver: the folder is not synced", "FilePortStore.Compaction.cs", "LookAgain(length);\n        _folder.Sync();", "LookAgain(length);\n        if (!MUTANT) { _folder.Sync(); }", "StoreCrash"),
        s_persistence.This("FilePortStore.TakeOver: a rename whose sync failed is trusted", "FilePortStore.Compaction.cs", "_isSuspect = true;\n        try", "_isSuspect = !MUTANT;\n        try", "StoreCrash"),
        s_persistence.This("FilePortStore.Standing: the mark is left out", "FilePortStore.Compaction.cs", "_facts.Mark is { } mark ? [mark", "_facts.Mark is { } mark && !MUTANT ? [mark", "StoreCrash|Compaction"),
        s_persistence.This("FilePortStore.CompactIfLarge: never", "FilePortStore.Compaction.cs", "if (_length <= (isFull", "if (MUTANT || _length <= (isFull", "Compaction"),
        s_persistence.This("FilePortStore.CompactionToWaitFor: an append never waits", "FilePortStore.Compaction.cs", "return isFull || _isSuspect ? _compaction", "return !MUTANT && (isFull || _isSuspect) ? _compaction", "Compaction|StoreCrash"),
    ];

    private static IEnumerable<Mutant> Folders =>
    [
        s_persistence.This("StoreRefusals.Remedy: who may not open the state begins with an empty one", "StoreRefusals.cs", "? FolderTrouble.Denied", "? MUTANT ? \"Let this user write to the folder, or choose another one.\" : FolderTrouble.Denied", "StoreRefusalsTests"),
        s_persistence.This("StateFile.Sync: does nothing", "StateFile.cs", "public void Sync()\n    {", "public void Sync()\n    {\n        if (MUTANT) { return; }", "FailedSync", "Portmap.Integration.Tests"),
        s_persistence.This("StateFolder.Sync: does nothing", "StateFolder.cs", "        folder.Sync();\n", "        if (!MUTANT) { folder.Sync(); }\n", "FailedSync", "Portmap.Integration.Tests"),
        s_persistence.This("ParentFolders.SyncAbove: nothing is synced", "ParentFolders.cs", "            SyncAbove(path, made.Count);\n", "            if (!MUTANT) { SyncAbove(path, made.Count); }\n", "FailedSync", "Portmap.Integration.Tests"),
        s_persistence.This("ParentFolders.SyncAbove: the folder that was there before is left out", "ParentFolders.cs", "if (identity == below ||", "if ((MUTANT && made < 2) || identity == below ||", "FailedSync", "Portmap.Integration.Tests"),
        s_persistence.This("ParentFolders.Make: a folder whose name could not be synced stays", "ParentFolders.cs", "made.ForEach(TryDelete);", "if (!MUTANT) { made.ForEach(TryDelete); }", "FailedSync", "Portmap.Integration.Tests"),
        s_persistence.This("ParentFolders.Make: those above one that is there are taken for synced", "ParentFolders.cs", "|| lasts())", "|| (MUTANT && made.Count == 0) || lasts())", "FailedSync", "Portmap.Integration.Tests"),
        s_persistence.This("StateFolder.Sync: does not look where the path leads", "StateFolder.cs", "EnsureStillThere(null);\n    }\n\n    public void Dispose", "if (!MUTANT) { EnsureStillThere(null); }\n    }\n\n    public void Dispose", "StateMoved"),
        s_persistence.This("StateFolder.Complaint: the lock is not looked at", "StateFolder.cs", ": !IsAt(LockName, _lock) ?", ": !MUTANT && !IsAt(LockName, _lock) ?", "StateMoved"),
        s_persistence.This("StateFolder.Complaint: the file is not looked at", "StateFolder.cs", ": file is not null && !IsAt", ": !MUTANT && file is not null && !IsAt", "StateMoved"),
        s_persistence.This("StateFolder.Rename: what somebody else put there is overwritten", "StateFolder.cs", "KeepWhatIsNotOurs(to);", "if (!MUTANT) { KeepWhatIsNotOurs(to); }", "StateMoved"),
        s_persistence.This("StateFolder.LockIn: a second daemon gets in", "StateFolder.cs", "OperatingSystem.IsLinux() && !Posix.TryLock", "!MUTANT && OperatingSystem.IsLinux() && !Posix.TryLock", "StateLock|RealDisk|PortStoreContract|FilePortStore"),
        s_persistence.This("StateFolder.Check: others may write", "StateFolder.cs", ": (mode & OthersWrite) != 0 ?", ": !MUTANT && (mode & OthersWrite) != 0 ?", "FilePortStoreTests"),
        s_persistence.This("HeldFolder.LetGo: calls may begin afterwards", "HeldFolder.cs", "if (state < 0)", "if (!MUTANT && state < 0)", "GivenUpOpening"),
        s_persistence.This("StoreOpening.GiveUpAsync: ends before the store was told", "StoreOpening.cs", "await _isTold.Task.WaitAsync(s_longest, _realTime)", "await (MUTANT ? Task.CompletedTask : _isTold.Task.WaitAsync(s_longest, _realTime))", "GivenUpOpening"),
        s_persistence.This("SettledMark.TakeFrom: the mark stays", "SettledMark.cs", "folder.Delete(Name);", "if (!MUTANT) { folder.Delete(Name); }", "StoreCrash"),
        s_persistence.This("SettledMark.LeaveIn: never left", "SettledMark.cs", "folder.Create(Name).Dispose();", "if (!MUTANT) { folder.Create(Name).Dispose(); }", "StoreDuty"),
    ];

    private static IEnumerable<Mutant> Facts =>
    [
        s_persistence.This("PortFactSet.Apply: the lower mark wins", "PortFactSet.cs", "Mark is null || fact.Epoch > Mark.Epoch", "Mark is null || MUTANT || fact.Epoch > Mark.Epoch", "PortFactSet"),
        s_persistence.This("PortFactSet.Forget: the last of a port is dropped", "PortFactSet.cs", "fact.Epoch < newest[Places.Of(fact)]", "(MUTANT || fact.Epoch < newest[Places.Of(fact)])", "PortFactSet"),
        s_persistence.This("RememberedPorts: the first owner of a port keeps it", "RememberedPorts.cs", "last = last is null || fact.Epoch > last.Epoch ? fact : last;\n            }", "last = last is null || (fact.Epoch > last.Epoch && !MUTANT) ? fact : last;\n            }", "RememberedPorts"),
    ];

    private static IEnumerable<Mutant> Recoveries =>
    [
        s_persistence.This("Recovery: another boot is this one", "Recovery.cs", "else if (fact.BootId != bootId ||", "else if ((!MUTANT && fact.BootId != bootId) ||", "RecoveryTests|Reboot"),
        s_persistence.This("Recovery: a lease that ran out comes back", "Recovery.cs", ": fact.UntilMs <= nowMs))", ": !MUTANT && fact.UntilMs <= nowMs))", "RecoveryTests"),
        s_persistence.This("Recovery: Reserved is kept beside another's Bound", "Recovery.cs", "holders.ContainsKey(Places.Of(fact)) ||", "(!MUTANT && holders.ContainsKey(Places.Of(fact))) ||", "RecoveryRules"),
        s_persistence.This("Recovery.Rank: a fact without a port is preferred", "Recovery.cs", "fact.Port != 0, fact.Epoch);", "MUTANT ? fact.Port == 0 : fact.Port != 0, fact.Epoch);", "RecoveryRules"),
        s_persistence.This("Recovery: two processes keep one port", "Recovery.cs", "if (contested)", "if (!MUTANT && contested)", "RecoveryRules"),
        s_persistence.This("Recovery: an owner keeps two registrations", "Recovery.cs", "Move(bound, ended, fact => fact.Epoch < highest[Owner(fact)]);", "if (!MUTANT) { Move(bound, ended, fact => fact.Epoch < highest[Owner(fact)]); }", "Recovery|RestartMix"),
        s_persistence.This("Recovery: a lease that was used up comes back", "Recovery.cs", "used.Contains((fact.Protocol, fact.Owner, fact.Epoch)) ||", "(!MUTANT && used.Contains((fact.Protocol, fact.Owner, fact.Epoch))) ||", "Recovery|EpochOrder|RestartMix"),
        s_persistence.This("Recovery: a port that has cooled cools on", "Recovery.cs", "fact.Until <= _now || held", "(!MUTANT && fact.Until <= _now) || held", "RecoveryRules"),
        s_persistence.This("Recovery: the mark of the epochs is never lost", "Recovery.cs", "IsMarkLost = highest >", "IsMarkLost = !MUTANT && highest >", "RecoveryTests"),
        s_persistence.This("Recovery: each fact reads its process anew", "Recovery.cs", "return exists ? known :", "return exists && !MUTANT ? known :", "RecoveryTests"),
    ];

    private static IEnumerable<Mutant> Writers =>
    [
        s_persistence.This("FactWriter.Batch: what failed before is left out", "FactWriter.cs", "batch.AddRange(_unwritten.Claims);", "if (!MUTANT) { batch.AddRange(_unwritten.Claims); }", "FailingStore|Confirmed"),
        s_persistence.This("FactWriter.Take: newest first", "FactWriter.cs", "_taken.Reverse();", "if (!MUTANT) { _taken.Reverse(); }", "ClaimJournal"),
        s_persistence.This("FactWriter.RunAsync: what came last is not written", "FactWriter.cs", "await WriteAsync(seal: true).ConfigureAwait(false);\n        Keep", "if (!MUTANT) { await WriteAsync(seal: true).ConfigureAwait(false); }\n        Keep", "DisposeRace|ClaimJournal|Confirmed"),
        s_persistence.This("FactWriter.TryAppendAsync: a failure is taken for success", "FactWriter.cs", "_outcome.EndWrite(began, failure);\n        return failure;", "_outcome.EndWrite(began, failure);\n        return MUTANT ? null : failure;", "FailingStore|StoreException"),
        s_persistence.This("FactWriter.CloseAsync: what the store throws gets out", "FactWriter.cs", "catch (Exception exception)\n        {\n            _outcome.NotClosed(exception);", "catch (Exception exception) when (!MUTANT)\n        {\n            _outcome.NotClosed(exception);", "StoreException"),
        s_persistence.This("FactWriter.TryPush: a sealed writer takes more", "FactWriter.cs", "if (ReferenceEquals(head, s_sealed))", "if (!MUTANT && ReferenceEquals(head, s_sealed))", "DisposeRace|ClaimJournal"),
    ];
}
