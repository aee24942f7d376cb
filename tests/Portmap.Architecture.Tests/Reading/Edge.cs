namespace Portmap.Architecture.Tests.Reading;

/// <summary>
/// One type knows another. <paramref name="Where"/> names a member, and its file and line where a
/// debugger would know them.
/// </summary>
internal sealed record Edge(string From, string To, string Where)
{
    public string Name => $"{From} -> {To}";

    public override string ToString() => $"{Name}, in {Where}";
}
