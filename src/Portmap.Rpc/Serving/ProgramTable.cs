namespace Portmap.Rpc.Serving;

/// <summary>The programs a server answers for. Immutable.</summary>
internal sealed class ProgramTable
{
    private readonly RpcProgram[] _programs;

    /// <exception cref="ArgumentException">Two programs have one number and version.</exception>
    public ProgramTable(IEnumerable<RpcProgram> programs)
    {
        _programs = [.. programs];
        RpcProgram? twice = _programs.GroupBy(program => (program.Number, program.Version)).FirstOrDefault(group => group.Count() > 1)?.Last();
        if (twice is not null)
        {
            throw new ArgumentException($"The program '{twice.Name}' has number {twice.Number} and version {twice.Version}, which another one has; give it its own.", nameof(programs));
        }
    }

    public IReadOnlyList<RpcProgram> Programs => _programs;

    /// <summary>Finds a program.</summary>
    /// <param name="number">Its number.</param>
    /// <param name="version">Its version.</param>
    /// <param name="versions">The lowest and the highest version there is of the number; null when
    /// there is none. 0 is a version (RFC 5531).</param>
    /// <returns>The program, or null.</returns>
    public RpcProgram? Find(uint number, uint version, out (uint Low, uint High)? versions)
    {
        versions = null;
        RpcProgram? found = null;

        // A handful: a walk is as quick as a hash.
        foreach (RpcProgram program in _programs)
        {
            if (program.Number == number)
            {
                (uint low, uint high) = versions ?? (program.Version, program.Version);
                versions = (Math.Min(low, program.Version), Math.Max(high, program.Version));
                found = program.Version == version ? program : found;
            }
        }

        return found;
    }
}
