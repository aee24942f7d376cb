namespace Portmap.Architecture.Tests.Reading;

/// <summary>
/// A type outside of all others, as its source has it. Its lines are those of its docs and its
/// body, in all its parts.
/// </summary>
internal sealed record SourceType(string Name, string Folder, IReadOnlyList<string> Files, int Lines, IReadOnlyList<SourceMethod> Methods);

/// <summary>
/// What a caller has to hand over to a method, a constructor, a local function or a delegate.
/// </summary>
internal sealed record SourceMethod(string Name, int Parameters, int Outs, string Where);
