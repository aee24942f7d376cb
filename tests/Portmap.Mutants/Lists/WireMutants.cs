namespace Portmap.Mutants.Lists;

/// <summary>Faults in how bytes are read and written.</summary>
internal static class WireMutants
{
    private const string Reader = "src/Portmap.Rpc/Xdr/XdrReader.cs", Assembler = "src/Portmap.Rpc/Protocol/RecordAssembler.cs";

    public static IEnumerable<Mutant> All =>
    [
        Of("XdrReader.ReadOpaque: one byte too many is taken", Reader, "length > (uint)maxBytes", "length > (uint)(MUTANT ? maxBytes + 1 : maxBytes)", "Xdr"),
        Of("XdrReader.ReadOpaque: padding is not skipped", Reader, "Take(-(int)length & 3);", "Take(MUTANT ? 0 : -(int)length & 3);", "Xdr"),
        Of("XdrReader.Take: reads past the end", Reader, "if (count > Remaining)", "if (count > (MUTANT ? Remaining + 4 : Remaining))", "Xdr"),
        Of("XdrReader: a name that is not well-formed turns into another", Reader, "throwOnInvalidBytes: true", "throwOnInvalidBytes: !MUTANT", "Xdr"),
        Of("RecordAssembler: keeps the large buffer", Assembler, "_joinedCount == 0 && _joined.Length > KeptBytes", "!MUTANT && _joinedCount == 0 && _joined.Length > KeptBytes", "RecordAssembler"),
        Of("RecordAssembler: fragments are limited one by one", Assembler, "(uint)(maxRecordBytes - _joinedCount)", "(uint)(MUTANT ? maxRecordBytes : maxRecordBytes - _joinedCount)", "RecordAssembler"),
        Of("RecordAssembler: half a header is between records", Assembler, "IsBetweenRecords = false;", "IsBetweenRecords = MUTANT;", "RecordAssembler"),
    ];

    private static Mutant Of(string id, string file, string find, string replace, string tests) =>
        new(id, file, find, replace, "Portmap.Rpc.Tests", "FullyQualifiedName~" + tests);
}
