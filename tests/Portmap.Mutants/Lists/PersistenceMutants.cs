namespace Portmap.Mutants.Lists;

/// <summary>Faults in what is written, synced, read back and recovered.</summary>
internal static class PersistenceMutants
{
    private const string Folder = "src/Portmap/Persistence/";

    public static IEnumerable<Mutant> All => [.. Lines, .. Files, .. Compactions, .. Folders, .. Facts, .. Recoveries, .. Writers];

    private static IEnumerable<Mutant> Lines =>
    [
        Of("FactLine.IsSealed: a line of a wrong checksum counts", "FactLine.cs", "return line.StartsWith(prefix);", "return MUTANT || line.StartsWith(prefix);", "StateFileDamage"),
        Of("FactLine.Measure: the user is left out", "FactLine.cs", "\" uid=\"u8.Length + Digits(user)", "(MUTANT ? 0 : \" uid=\"u8.Length + Digits(user))", "FactLineTests"),
        Of("FactLine.TryWrite: a line too long is written", "FactLine.cs", "if (end > MaxLength)", "if (!MUTANT && end > MaxLength)", "StoreDuty"),
        Of("FactLine.PutClaim: the origin is left out", "FactLine.cs", "end = fact.Origin != 0 ? Put", "end = !MUTANT && fact.Origin != 0 ? Put", "FactLineTests"),
        Of("FactLine.Escaped: the mark of a line is not escaped", "FactLine.cs", "value == '\\\\' || value == Mark", "value == '\\\\' || (!MUTANT && value == Mark)", "FactLineTests|LostLineBreak"),
        Of("FactLine.Escaped: a blank in a strategy's name is not escaped", "FactLine.cs", "(withBlank && value == ' ')", "(withBlank && !MUTANT && value == ' ')", "FactLineTests|StrategyName"),
        Of("FactLineReader.Read: a port beyond 65535 is read", "FactLineReader.cs", "port is >= 0 and <= ushort.MaxValue", "(MUTANT || port is >= 0 and <= ushort.MaxValue)", "FactLineTests"),
        Of("FactLineReader.Read: what follows a mark is ignored", "FactLineReader.cs", "rest.Number(out long mark) && rest.IsEmpty", "rest.Number(out long mark) && (MUTANT || rest.IsEmpty)", "FactLineTests"),
        Of("FactLineReader.Boot: the last one is taken for any", "FactLineReader.cs", "if (text.SequenceEqual(_bootText))", "if (text.SequenceEqual(_bootText) || (MUTANT && _bootText.Length > 0))", "FactLineTests"),
        Of("FactLineReader.State: ended is read as bound", "FactLineReader.cs", "rest.Skip(\" ended\"u8) ? PortState.Cooling", "rest.Skip(\" ended\"u8) ? (MUTANT ? PortState.Bound : PortState.Cooling)", "FactLineTests"),
        Of("LineTime.Write: minutes beyond the hour", "LineTime.cs", "ms / 60_000 % 60", "ms / 60_000 % (MUTANT ? 100 : 60)", "FactLineTests"),
        Of("LineTime.TryRead: the 30th of February is a day", "LineTime.cs", "day > DateTime.DaysInMonth(year, month)", "day > (MUTANT ? 28 : DateTime.DaysInMonth(year, month))", "FactLineTests"),
    ];

    private static IEnumerable<Mutant> Files =>
    [
        Of("FilePortStore.WriteAtEnd: not synced", "FilePortStore.cs", "_isSuspect = true;\n        file.Sync();", "_isSuspect = true;\n        if (!MUTANT) { file.Sync(); }", "StoreCrash"),
        Of("FilePortStore.WriteAtEnd: a failed sync is forgotten", "FilePortStore.cs", "_isSuspect = true;\n        file.Sync();", "_isSuspect = !MUTANT;\n        file.Sync();", "StoreDuty"),
        Of("FilePortStore.WriteAtEnd: a torn end stays", "FilePortStore.cs", "if (_isTorn)", "if (!MUTANT && _isTorn)", "StoreDuty"),
        Of("FilePortStore.Open: a state that was in doubt is trusted", "FilePortStore.cs", "|| !isSettled ||", "|| (!MUTANT && !isSettled) ||", "StoreCrash"),
        Of("FilePortStore.Open: what a compaction left stays", "FilePortStore.cs", "_folder.Delete(NextName);", "if (!MUTANT) { _folder.Delete(NextName); }", "FilePortStoreTests"),
        Of("StateReader.KeepAside: not synced", "StateReader.cs", "file.Sync();\n        folder.Sync();\n        return Path.Combine", "if (!MUTANT) { file.Sync(); folder.Sync(); }\n        return Path.Combine", "KeptAside"),
        Of("StateReader.KeepAside: an earlier file is overwritten", "StateReader.cs", "earlier.Dispose();\n            name += \"+\";", "earlier.Dispose();\n            if (MUTANT) { break; }\n            name += \"+\";", "StoreDuty"),
        Of("StateReader.Read: a newer version is read", "StateReader.cs", "scan.FileVersion > StateScan.Version", "!MUTANT && scan.FileVersion > StateScan.Version", "FilePortStoreTests"),
        Of("StateReader.Read: a file of something else is taken", "StateReader.cs", "if (scan.Length > 0 && !scan.IsState)", "if (!MUTANT && scan.Length > 0 && !scan.IsState)", "FilePortStoreTests"),
        Of("StateReader.Read: a torn end is not told", "StateReader.cs", "if (scan.TornBytes > 0)", "if (!MUTANT && scan.TornBytes > 0)", "StateFileDamage|StoreCrash"),
        Of("FilePortStore.Append: facts are not kept for a compaction", "FilePortStore.cs", "_facts.Apply(fact);", "if (!MUTANT) { _facts.Apply(fact); }", "CompactionTests|StoreCrash"),
        Of("FilePortStore.LoadAsync: the mark is not told", "FilePortStore.cs", "onFact(mark);", "if (!MUTANT) { onFact(mark); }", "RecoveryTests|FilePortStore"),
        Of("StateScan: a line break lost before a mark is damage", "StateScan.cs", "LineEnd end = isLast ? lineEnd : LineEnd.Mark;", "LineEnd end = isLast ? lineEnd : MUTANT ? LineEnd.None : LineEnd.Mark;", "LostLineBreak"),
        Of("StateScan.IsClean: a file with lost line breaks is appended to", "StateScan.cs", "LostBreaks == 0 && TornBytes == 0", "(MUTANT || LostBreaks == 0) && TornBytes == 0", "LostLineBreak|StateFileDamage"),
        Of("StateScan.IsClean: a file that ends open is appended to", "StateScan.cs", "TornBytes == 0 && !EndsOpen;", "TornBytes == 0 && (MUTANT || !EndsOpen);", "StoreDuty"),
    ];

    private static IEnumerable<Mutant> Compactions =>
    [
        Of("FilePortStore.Compact: what came meanwhile is lost", "FilePortStore.Compaction.cs", "if (_meanwhile!.WrittenCount > 0)", "if (!MUTANT && _meanwhile!.WrittenCount > 0)", "Compaction|StoreCrash"),
        Of("FilePortStore.Compact: what came meanwhile is not synced", "FilePortStore.Compaction.cs", "length += _meanwhile.WrittenCount;\n                        next.Sync();", "length += _meanwhile.WrittenCount;\n                        if (!MUTANT) { next.Sync(); }", "StoreDuty"),
        Of("FilePortStore.WriteAnew: the new file is not synced", "FilePortStore.Compaction.cs", "[.. Standing(), .. batch], StepLength);\n            next.Sync();", "[.. Standing(), .. batch], StepLength);\n            if (!MUTANT) { next.Sync(); }", "StoreCrash"),
        Of("FilePortStore.WriteAnew: the batch is left out", "FilePortStore.Compaction.cs", "[.. Standing(), .. batch]", "[.. Standing(), .. MUTANT ? [] : batch]", "StoreCrash|StateMoved"),
        Of("FilePortStore.TakeOver: the folder is not synced", "FilePortStore.Compaction.cs", "LookAgain(length);\n        _folder.Sync();", "LookAgain(length);\n        if (!MUTANT) { _folder.Sync(); }", "StoreCrash"),
        Of("FilePortStore.TakeOver: a rename whose sync failed is trusted", "FilePortStore.Compaction.cs", "_isSuspect = true;\n        try", "_isSuspect = !MUTANT;\n        try", "StoreCrash"),
        Of("FilePortStore.Standing: the mark is left out", "FilePortStore.Compaction.cs", "_facts.Mark is { } mark ? [mark", "_facts.Mark is { } mark && !MUTANT ? [mark", "StoreCrash|Compaction"),
        Of("FilePortStore.CompactIfLarge: never", "FilePortStore.Compaction.cs", "if (_length <= (isFull", "if (MUTANT || _length <= (isFull", "Compaction"),
        Of("FilePortStore.CompactionToWaitFor: an append never waits", "FilePortStore.Compaction.cs", "return isFull || _isSuspect ? _compaction", "return !MUTANT && (isFull || _isSuspect) ? _compaction", "Compaction|StoreCrash"),
    ];

    private static IEnumerable<Mutant> Folders =>
    [
        Of("StateFile.Sync: does nothing", "StateFile.cs", "public void Sync()\n    {", "public void Sync()\n    {\n        if (MUTANT) { return; }", "FailedSync", "Portmap.Integration.Tests"),
        Of("StateFolder.Sync: does nothing", "StateFolder.cs", "folder.Sync();\n        EnsureStillThere(null);", "if (!MUTANT) { folder.Sync(); }\n        EnsureStillThere(null);", "FailedSync", "Portmap.Integration.Tests"),
        Of("StateFolder.Sync: does not look where the path leads", "StateFolder.cs", "folder.Sync();\n        EnsureStillThere(null);", "folder.Sync();\n        if (!MUTANT) { EnsureStillThere(null); }", "StateMoved"),
        Of("StateFolder.Complaint: the lock is not looked at", "StateFolder.cs", ": !IsAt(LockName, _lock) ?", ": !MUTANT && !IsAt(LockName, _lock) ?", "StateMoved"),
        Of("StateFolder.Complaint: the file is not looked at", "StateFolder.cs", ": file is not null && !IsAt", ": !MUTANT && file is not null && !IsAt", "StateMoved"),
        Of("StateFolder.Rename: what somebody else put there is overwritten", "StateFolder.cs", "KeepWhatIsNotOurs(to);", "if (!MUTANT) { KeepWhatIsNotOurs(to); }", "StateMoved"),
        Of("StateFolder.LockIn: a second daemon gets in", "StateFolder.cs", "OperatingSystem.IsLinux() && !Posix.TryLock", "!MUTANT && OperatingSystem.IsLinux() && !Posix.TryLock", "StateLock|RealDisk|PortStoreContract|FilePortStore"),
        Of("StateFolder.Check: others may write", "StateFolder.cs", ": (mode & OthersWrite) != 0 ?", ": !MUTANT && (mode & OthersWrite) != 0 ?", "FilePortStoreTests"),
        Of("HeldFolder.LetGo: calls may begin afterwards", "HeldFolder.cs", "if (state < 0)", "if (!MUTANT && state < 0)", "GivenUpOpening"),
        Of("SettledMark.TakeFrom: the mark stays", "SettledMark.cs", "folder.Delete(Name);", "if (!MUTANT) { folder.Delete(Name); }", "StoreCrash"),
        Of("SettledMark.LeaveIn: never left", "SettledMark.cs", "folder.Create(Name).Dispose();", "if (!MUTANT) { folder.Create(Name).Dispose(); }", "StoreDuty"),
    ];

    private static IEnumerable<Mutant> Facts =>
    [
        Of("PortFactSet.Apply: the lower mark wins", "PortFactSet.cs", "Mark is null || fact.Epoch > Mark.Epoch", "Mark is null || MUTANT || fact.Epoch > Mark.Epoch", "PortFactSet"),
        Of("PortFactSet.Forget: the last of a port is dropped", "PortFactSet.cs", "fact.Epoch < newest[Place(fact)]", "(MUTANT || fact.Epoch < newest[Place(fact)])", "PortFactSet"),
        Of("RememberedPorts: the first owner of a port keeps it", "RememberedPorts.cs", "last = last is null || fact.Epoch > last.Epoch ? fact : last;\n            }", "last = last is null || (fact.Epoch > last.Epoch && !MUTANT) ? fact : last;\n            }", "PortRegistryMemory|RestartMix"),
    ];

    private static IEnumerable<Mutant> Recoveries =>
    [
        Of("Recovery: another boot is this one", "Recovery.cs", "else if (fact.BootId != bootId ||", "else if ((!MUTANT && fact.BootId != bootId) ||", "RecoveryTests|Reboot"),
        Of("Recovery: a lease that ran out comes back", "Recovery.cs", ": fact.UntilMs <= nowMs))", ": !MUTANT && fact.UntilMs <= nowMs))", "RecoveryTests"),
        Of("Recovery: Reserved is kept beside another's Bound", "Recovery.cs", "holders.ContainsKey(Place(fact)) ||", "(!MUTANT && holders.ContainsKey(Place(fact))) ||", "RecoveryRules"),
        Of("Recovery.Rank: a fact without a port is preferred", "Recovery.cs", "fact.Port != 0, fact.Epoch);", "MUTANT ? fact.Port == 0 : fact.Port != 0, fact.Epoch);", "RecoveryRules"),
        Of("Recovery: two processes keep one port", "Recovery.cs", "if (contested)", "if (!MUTANT && contested)", "RecoveryRules"),
        Of("Recovery: an owner keeps two registrations", "Recovery.cs", "Move(bound, ended, fact => fact.Epoch < highest[Owner(fact)]);", "if (!MUTANT) { Move(bound, ended, fact => fact.Epoch < highest[Owner(fact)]); }", "Recovery|RestartMix"),
        Of("Recovery: a lease that was used up comes back", "Recovery.cs", "used.Contains((fact.Protocol, fact.Owner, fact.Epoch)) ||", "(!MUTANT && used.Contains((fact.Protocol, fact.Owner, fact.Epoch))) ||", "Recovery|EpochOrder|RestartMix"),
        Of("Recovery: a port that has cooled cools on", "Recovery.cs", "fact.Until <= _now || held", "(!MUTANT && fact.Until <= _now) || held", "RecoveryRules"),
        Of("Recovery: the mark of the epochs is never lost", "Recovery.cs", "IsMarkLost = highest >", "IsMarkLost = !MUTANT && highest >", "RecoveryTests"),
        Of("Recovery: each fact reads its process anew", "Recovery.cs", "return exists ? known :", "return exists && !MUTANT ? known :", "RecoveryTests"),
    ];

    private static IEnumerable<Mutant> Writers =>
    [
        Of("FactWriter.Batch: what failed before is left out", "FactWriter.cs", "batch.AddRange(_unwritten.Claims);", "if (!MUTANT) { batch.AddRange(_unwritten.Claims); }", "FailingStore|Confirmed"),
        Of("FactWriter.Take: newest first", "FactWriter.cs", "_taken.Reverse();", "if (!MUTANT) { _taken.Reverse(); }", "Persistence"),
        Of("FactWriter.RunAsync: what came last is not written", "FactWriter.cs", "await WriteAsync(seal: true).ConfigureAwait(false);\n        if (Failure", "if (!MUTANT) { await WriteAsync(seal: true).ConfigureAwait(false); }\n        if (Failure", "DisposeRace|ClaimJournal|Confirmed"),
        Of("FactWriter.TryAppendAsync: a failure is taken for success", "FactWriter.cs", "return exception;   // of any type", "return MUTANT ? null : exception;   // of any type", "FailingStore|StoreException"),
        Of("FactWriter.CloseAsync: what the store throws gets out", "FactWriter.cs", "catch (Exception exception)\n        {\n            _outcome.NotClosed(exception);", "catch (Exception exception) when (!MUTANT)\n        {\n            _outcome.NotClosed(exception);", "StoreException"),
        Of("FactWriter.TryPush: a sealed writer takes more", "FactWriter.cs", "if (ReferenceEquals(head, s_sealed))", "if (!MUTANT && ReferenceEquals(head, s_sealed))", "DisposeRace|ClaimJournal"),
    ];

    private static Mutant Of(string id, string file, string find, string replace, string tests, string project = "Portmap.Tests") =>
        new(id, Folder + file, find, replace, project, string.Join('|', tests.Split('|').Select(test => "FullyQualifiedName~" + test)));
}
