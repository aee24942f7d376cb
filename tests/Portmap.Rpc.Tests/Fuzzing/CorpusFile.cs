using System.Globalization;

namespace Portmap.Rpc.Tests.Fuzzing;

/// <summary>One message as it stands in <c>Corpus/</c>: hex with comments, and a name that says
/// what it is.</summary>
/// <remarks>
/// <code>
///   call-portmap-2-register.hex            what is said: which program, which procedure
///   reply-portmap-2-register-refused.hex   one of its answers
///   call-rpc-bad-credential.hex            what concerns the frame of all calls
/// </code>
/// </remarks>
internal sealed record CorpusFile(string Name, byte[] Bytes)
{
    private static readonly string s_folder = Path.Combine(AppContext.BaseDirectory, "Corpus");

    /// <summary>All of them, in the order of their names.</summary>
    public static IReadOnlyList<CorpusFile> All { get; } =
        [.. Directory.GetFiles(s_folder, "*.hex").Order(StringComparer.Ordinal).Select(path => new CorpusFile(Path.GetFileNameWithoutExtension(path), Read(path)))];

    public bool IsCall => Name.StartsWith("call-", StringComparison.Ordinal);

    /// <summary>The program by the first word, or null for what concerns the frame.</summary>
    public uint? Program => Name.Split('-')[1] switch
    {
        "portmap" => Wire.Portmap,
        "gluster" => Wire.Gluster,
        "gfdump" => Wire.GfDump,
        "rpc" => null,
        string other => throw new InvalidDataException($"{Name}: there is no program '{other}'."),
    };

    public uint Procedure => uint.Parse(Name.Split('-')[2], CultureInfo.InvariantCulture);

    private static byte[] Read(string path) =>
        Wire.Hex(string.Concat(File.ReadLines(path).Select(line => line.Split('#')[0])));
}
