using System.Collections.Immutable;

namespace Portmap.Processes;

/// <summary>
/// The processes of one program: the one that was started, what it forked, what that forked, also
/// when those between have gone.
/// </summary>
/// <remarks>
/// <code>
///   root ──► child ──► grandchild           /proc/pid/task/tid/children, from every member that lives
///            (gone)      └── its parent is a reaper now (pid 1, or an ancestor of the root): an orphan
/// </code>
/// <para>
/// A member stays one as long as it lives, whoever its parent is by then. An orphan that was not
/// seen before its parent went is known by what it took along: PORTMAP_OWNER and PORTMAP_EPOCH of
/// its environment, a process group or session of a member, or the command line of one. A
/// <em>likely</em> one has nothing of that, but began after the root, and acts as the same user in
/// the same control group. One whose environment names another lease is never one.
/// </para>
/// <para>
/// Any thread may use it: what is known is replaced whole, and what two threads find at once is
/// found again.
/// </para>
/// </remarks>
internal sealed class ProcessFamily
{
    private const int MostMembers = 4_096;
    private const int Deepest = 64;
    private const int MostLooks = 8;

    private readonly ProcessIdentity _root;
    private readonly HashSet<int> _ancestors = [];
    private readonly int _parent;
    private readonly uint? _user;
    private string? _controlGroup;
    private string? _mark;
    private ImmutableDictionary<int, long> _members;
    private ImmutableHashSet<string> _commands = [];

    /// <param name="root">The process that was started.</param>
    public ProcessFamily(ProcessIdentity root)
    {
        _root = root;
        _members = ImmutableDictionary<int, long>.Empty.Add(root.Id, root.StartTime);
        _user = ProcessUser.Of(root.Id);
        _parent = ProcessStat.TryRead(root.Id, out ProcessStat stat) ? stat.Parent : 0;
        for (int parent = _parent, i = 0; parent > 0 && i < Deepest; i++)
        {
            _ancestors.Add(parent);
            parent = ProcessStat.TryRead(parent, out stat) ? stat.Parent : 0;
        }

        NoteRoot();
    }

    /// <summary>The members that live, the oldest first: a master before its workers.</summary>
    /// <remarks>One that /proc hides is not among them. One that cannot be looked at for want of a
    /// descriptor is: nobody can tell that it has gone.</remarks>
    public IReadOnlyList<int> Living() =>
    [
        .. Volatile.Read(ref _members).Where(member => IsThere(member.Key, member.Value)).OrderBy(member => member.Value).ThenBy(member => member.Key)
            .Select(member => member.Key),
    ];

    /// <summary>Looks for new children of all members.</summary>
    public void LookAround()
    {
        NoteRoot();   // a shell may have become another program
        Queue<int> toSee = new(Living());
        while (toSee.TryDequeue(out int member))
        {
            foreach (int child in ProcessFiles.ChildrenOf(member))
            {
                if (TryAdd(child))
                {
                    toSee.Enqueue(child);
                }
            }
        }
    }

    /// <summary>Whether a process is one of the family; it is a member from then on.</summary>
    /// <param name="processId">The process.</param>
    /// <param name="likelyIsEnough">
    /// Whether an orphan counts that has nothing of the family but user, control group and age.
    /// </param>
    public bool Includes(int processId, bool likelyIsEnough)
    {
        bool isShort = false;
        return Includes(processId, likelyIsEnough, ref isShort);
    }

    /// <inheritdoc cref="Includes(int, bool)"/>
    /// <param name="processId">The process.</param>
    /// <param name="likelyIsEnough">
    /// Whether an orphan counts that has nothing of the family but user, control group and age.
    /// </param>
    /// <param name="isShort">Becomes true when it is not known as one of the family, and could not be
    /// looked at for want of a descriptor or of memory.</param>
    public bool Includes(int processId, bool likelyIsEnough, ref bool isShort)
    {
        bool? isOne = null;
        bool isUnread = false;
        for (int i = 0; i < MostLooks && isOne is null; i++)
        {
            isOne = Look(processId, likelyIsEnough, ref isUnread);
        }

        isShort |= isOne != true && isUnread;
        return isOne == true;
    }

    /// <summary>
    /// Follows the line of parents; null when one of it went meanwhile, and those below got another
    /// parent by that.
    /// </summary>
    private bool? Look(int processId, bool likelyIsEnough, ref bool isUnread)
    {
        List<int> line = [];
        int current = processId;
        while (line.Count < Deepest)
        {
            if (!ProcessStat.TryRead(current, out ProcessStat stat, ref isUnread) || !stat.IsAlive)
            {
                return line.Count == 0 ? false : null;
            }

            if (Volatile.Read(ref _members).TryGetValue(current, out long start) && start == stat.Start)
            {
                return AddAll(line);
            }

            line.Add(current);
            if (stat.Parent <= 1 || _ancestors.Contains(stat.Parent))
            {
                return IsOrphan(current, stat, likelyIsEnough, ref isUnread) && AddAll(line);
            }

            current = stat.Parent;
        }

        return false;
    }

    /// <summary>
    /// Whether a process is an ancestor of the root, the one that started it for instance: it may
    /// hold the root's sockets and is none of it.
    /// </summary>
    public bool IsAncestor(int processId) => processId == Environment.ProcessId || _ancestors.Contains(processId);

    /// <summary>Looks at all processes for orphans; takes milliseconds.</summary>
    public void Adopt(bool likelyIsEnough)
    {
        foreach (int processId in ProcessFiles.All())
        {
            Includes(processId, likelyIsEnough);
        }
    }

    private static bool IsThere(int processId, long start)
    {
        try
        {
            return ProcessStat.TryReadOrThrow(processId, out ProcessStat stat) && stat.IsAlive && stat.Start == start;
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException)
        {
            return ProcessStat.IsShort(exception);
        }
    }

    /// <param name="processId">The process.</param>
    /// <param name="stat">What /proc says of it.</param>
    /// <param name="likelyIsEnough">As <see cref="Includes(int, bool)"/>.</param>
    /// <param name="isUnread">Becomes true where what tells could not be read; then it is none for
    /// now.</param>
    private bool IsOrphan(int processId, in ProcessStat stat, bool likelyIsEnough, ref bool isUnread)
    {
        if (stat.Start < _root.StartTime || processId == Environment.ProcessId)
        {
            return false;
        }

        bool isShort = false;
        string? mark = MarkOf(processId, ref isShort);
        if (isShort)
        {
            isUnread = true;   // it may name another lease
            return false;
        }

        if (mark is not null && _mark is not null)
        {
            return mark == _mark;
        }

        // Where who started the root is a reaper as well, its other children look like orphans.
        ImmutableDictionary<int, long> members = Volatile.Read(ref _members);
        if (members.ContainsKey(stat.Session) || members.ContainsKey(stat.Group))
        {
            return true;
        }

        bool isOne = stat.Parent != _parent
            && ((ProcessFiles.CommandOf(processId, ref isShort) is { } command && Volatile.Read(ref _commands).Contains(command))
                || (likelyIsEnough && _controlGroup == ProcessFiles.GroupOf(processId, ref isShort) && _user == ProcessUser.Of(processId)));
        isUnread |= isShort;
        return isOne && !isShort;
    }

    private bool AddAll(List<int> line)
    {
        line.ForEach(processId => TryAdd(processId));
        return true;
    }

    private bool TryAdd(int processId)
    {
        ImmutableDictionary<int, long> members = Volatile.Read(ref _members);
        if (!ProcessStat.TryRead(processId, out ProcessStat stat) || !stat.IsAlive || (members.TryGetValue(processId, out long start) && start == stat.Start))
        {
            return false;
        }

        if (members.Count >= MostMembers)
        {
            members = members.RemoveRange(members.Where(member => !IsThere(member.Key, member.Value)).Select(member => member.Key));
        }

        if (members.Count < MostMembers)
        {
            Volatile.Write(ref _members, members.SetItem(processId, stat.Start));   // what another thread adds at this moment it finds again
            Note(processId);
            return true;
        }

        return false;
    }

    /// <summary>What could not be read once, for want of a descriptor, is read by the next
    /// look.</summary>
    private void NoteRoot()
    {
        bool isShort = false;
        _controlGroup ??= ProcessFiles.GroupOf(_root.Id, ref isShort);
        Note(_root.Id);
    }

    private void Note(int processId)
    {
        bool isShort = false;
        if (ProcessFiles.CommandOf(processId) is { } command && _commands.Count < MostMembers)
        {
            Volatile.Write(ref _commands, _commands.Add(command));
        }

        _mark ??= MarkOf(processId, ref isShort);
    }

    /// <summary>The leases that an environment names, of one port or of several.</summary>
    private static string? MarkOf(int processId, ref bool isShort)
    {
        Dictionary<string, string> told = [];
        foreach (string variable in ProcessFiles.EnvironmentOf(processId, ref isShort)?.Split('\0') ?? [])
        {
            int end = variable.IndexOf('=', StringComparison.Ordinal);
            if (end > 0 && variable.StartsWith(PortmapVariables.Prefix, StringComparison.Ordinal)
                && (variable.AsSpan(0, end).EndsWith("_OWNER") || variable.AsSpan(0, end).EndsWith("_EPOCH")))
            {
                told[variable[..end]] = variable;   // of two with one name the last one counts
            }
        }

        return told.Keys.Any(name => name.EndsWith("_EPOCH", StringComparison.Ordinal)) && told.Keys.Any(name => name.EndsWith("_OWNER", StringComparison.Ordinal))
            ? string.Join('\n', told.Values.Order(StringComparer.Ordinal))
            : null;
    }
}
