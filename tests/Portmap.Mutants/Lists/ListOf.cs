namespace Portmap.Mutants.Lists;

/// <summary>Makes the mutants of one folder of sources, which tests of one project look
/// for.</summary>
/// <param name="folder">The folder, from the root of the repository, with a slash at its
/// end.</param>
/// <param name="project">The test project, unless a mutant names another one.</param>
internal sealed class ListOf(string folder, string project)
{
    /// <param name="id">The type and what is wrong.</param>
    /// <param name="file">The file in the folder.</param>
    /// <param name="find">The text that is replaced.</param>
    /// <param name="replace">The text in its place.</param>
    /// <param name="tests">Parts of the full names of the tests that look for it, separated by
    /// <c>|</c>; or of their names with their arguments, with <c>DisplayName~</c> before
    /// them.</param>
    /// <param name="in">The test project, where it is another one.</param>
    public Mutant This(string id, string file, string find, string replace, string tests, string? @in = null) =>
        new(id, folder + file, find, replace, @in ?? project, string.Join('|', tests.Split('|').Select(test => test.Contains('~', StringComparison.Ordinal) ? test : "FullyQualifiedName~" + test)));
}
